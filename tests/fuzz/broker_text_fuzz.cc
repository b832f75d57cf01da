// Feeds one text to every parser of the broker's that reads what others wrote:
// /proc, cgroup files, passwd, group and getent.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "agent/broker/cgroup.h"
#include "agent/broker/open_file.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/tail_opener.h"
#include "agent/broker/users.h"

namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckUser(const specula::agent::User& user) {
  Check(specula::agent::CheckUserName(user.name).ok());
  Check(user.uid != static_cast<uid_t>(-1) &&
        user.gid != static_cast<gid_t>(-1));
  Check(std::is_sorted(user.groups.begin(), user.groups.end()));
  Check(std::find(user.groups.begin(), user.groups.end(), user.gid) !=
        user.groups.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace specula::agent;  // a fuzzer's file is its own world
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto stat = ParseProcStat(text); stat.ok()) {
    Check(stat->pid > 0 && stat->parent >= 0 && stat->start_ticks >= 0);
  }
  const std::string mount = ParseCgroupMount(text);
  Check(mount.empty() || mount[0] == '/');
  const std::string path = ParseCgroupPath(text);
  Check(path.empty() || (path[0] == '/' && !absl::StartsWith(path, "/..")));
  ParsePopulated(text);
  Check(!MountPointOf(text, "/mnt/a/b").empty());

  for (auto user : {FindUser(text, "bob"), FindUser(text, uid_t{1001}),
                    ParseGetent(text, "bob")}) {
    if (!user.ok()) continue;
    AddGroups(text, *user);
    CheckUser(*user);
  }
  if (auto below = PathBelow("/var/log", text); below.ok()) {
    Check(!below->empty() && (*below)[0] != '/' &&
          !absl::StartsWith(*below, "../") &&
          !absl::StrContains(*below, "/../") && *below != "..");
  }
  return 0;
}
