#include "agent/metrics/visibility.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "lib/base/file.h"

namespace specula::agent {
namespace {

bool MayTraceAll() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capget, &header, data) == 0 &&
         (data[0].effective & (1U << CAP_SYS_PTRACE)) != 0;
}

// As the kernel decides: a member of the group of gid= (that of root, if there
// is none) sees all, but for "ptraceable".
bool MaySeeAll(const ProcMount& mount) {
  if (mount.hides == ProcMount::Hides::kNothing || MayTraceAll()) return true;
  return mount.hides == ProcMount::Hides::kProcesses &&
         IsOwnGroup(static_cast<gid_t>(mount.group.value_or(0)));
}

std::string WhatToDo(const ProcMount& mount) {
  if (mount.hides == ProcMount::Hides::kProcesses && mount.group.has_value()) {
    return absl::StrCat("add the user that the agent serves as to group ",
                        *mount.group);
  }
  return "mount it without hidepid=, or with gid= and the user that the agent "
         "serves as in that group";
}

}  // namespace

Visibility FindVisibility(const ProcRoot& root, const ProcRoot& own) {
  Visibility visibility;
  struct statfs system;
  const std::string proc = root.Path("/proc");
  if (statfs(proc.c_str(), &system) != 0 || system.f_type != PROC_SUPER_MAGIC)
    return visibility;
  ProcMount mount;
  absl::StatusOr<std::string> mounts = own.Read("/proc/self/mountinfo");
  // The kernel's name of the place has no links and no double slashes.
  char place[PATH_MAX];
  if (mounts.ok() && realpath(proc.c_str(), place) != nullptr)
    mount = ParseProcMount(*mounts, place);
  const absl::Status first = root.Read("/proc/1/stat").status();
  if (mount.hides != ProcMount::Hides::kNothing &&
      (!MaySeeAll(mount) || !first.ok())) {
    visibility.processes = absl::PermissionDeniedError(
        absl::StrCat("processes of other users are hidden: ", proc,
                     ": mounted with hidepid=; ", WhatToDo(mount)));
  } else if (!first.ok()) {
    visibility.processes = absl::PermissionDeniedError(
        absl::StrCat("processes of other users are hidden: ", first.message()));
  }
  if (mount.only_processes) {
    visibility.files = absl::PermissionDeniedError(
        absl::StrCat("what the kernel says of the host is hidden: ", proc,
                     ": mounted with subset=pid; mount it without (for a "
                     "systemd unit: ProcSubset=all)"));
  }
  return visibility;
}

}  // namespace specula::agent
