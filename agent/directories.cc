#include "agent/directories.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/broker/users.h"
#include "lib/base/directory.h"
#include "lib/base/status_macros.h"

namespace specula::agent {

absl::Status MakeDirectories(const Options& options) {
  RETURN_IF_ERROR(
      specula::MakeDirectories(options.state_directory, 0755, 0755).status());
  const size_t slash = options.audit_log.rfind('/');
  if (slash == std::string::npos || slash == 0) return absl::OkStatus();
  const std::string audit = options.audit_log.substr(0, slash);
  ASSIGN_OR_RETURN(const UniqueFd made,
                   specula::MakeDirectories(audit, 0700, 0755));
  if (!made.valid() || options.front_user.empty()) return absl::OkStatus();
  UserFiles files;
  ASSIGN_OR_RETURN(User user, files.Find(options.front_user));
  if (fchown(made.get(), user.uid, user.gid) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("chown(", audit, ")"));
  }
  return absl::OkStatus();
}

}  // namespace specula::agent
