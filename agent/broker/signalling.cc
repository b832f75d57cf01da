#include "agent/broker/signalling.h"

#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/cgroup.h"
#include "lib/base/file.h"

extern "C" {
#include <sys/pidfd.h>
}

namespace specula::agent {

UniqueFd OpenPidfd(pid_t pid) { return UniqueFd(pidfd_open(pid, 0)); }

bool SignalPidfd(int pidfd, int signal) {
  return pidfd_send_signal(pidfd, signal, nullptr, 0) == 0;
}

bool SignalMember(pid_t pid, int signal,
                  const std::function<bool()>& is_meant) {
  const UniqueFd pidfd = OpenPidfd(pid);
  return pidfd.valid() && is_meant() && SignalPidfd(pidfd.get(), signal);
}

bool IsInCgroup(pid_t pid, const std::string& directory) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/cgroup"));
  if (!text.ok()) return false;
  // The path is relative to a mount point that need not be known: the
  // directories of the pool have names that stand nowhere else, so the end of
  // the path decides.
  const std::string path = ParseCgroupPath(*text);
  const size_t name = directory.rfind("/specula.");
  if (name == std::string::npos)
    return absl::EndsWith(directory, path) && path.size() > 1;
  const absl::string_view own = absl::string_view(directory).substr(name);
  const size_t found = path.rfind(own.data(), std::string::npos, own.size());
  if (found == std::string::npos) return false;
  const size_t end = found + own.size();
  return end == path.size() || path[end] == '/';
}

}  // namespace specula::agent
