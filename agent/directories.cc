#include "agent/directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/broker/users.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// As mkdir -p; true if the last one was made.
absl::StatusOr<bool> MakeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) {
    // The umask may have taken bits that were asked for.
    if (chmod(path.c_str(), mode) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("chmod(", path, ")"));
    }
    return true;
  }
  if (errno == EEXIST) return false;
  const size_t slash = path.rfind('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  }
  RETURN_IF_ERROR(MakeDirectory(path.substr(0, slash), 0755).status());
  return MakeDirectory(path, mode);
}

}  // namespace

absl::Status MakeDirectories(const Options& options) {
  RETURN_IF_ERROR(MakeDirectory(options.state_directory, 0755).status());
  const std::string audit =
      options.audit_log.substr(0, options.audit_log.rfind('/'));
  if (audit.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(bool is_new, MakeDirectory(audit, 0700));
  if (!is_new || options.front_user.empty()) return absl::OkStatus();
  UserFiles files;
  ASSIGN_OR_RETURN(User user, files.Find(options.front_user));
  if (chown(audit.c_str(), user.uid, user.gid) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("chown(", audit, ")"));
  }
  return absl::OkStatus();
}

}  // namespace specula::agent
