#ifndef SPECULA_LIB_BASE_DIRECTORY_H_
#define SPECULA_LIB_BASE_DIRECTORY_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace specula {

// As `mkdir -p`: makes `path` where it is missing, and what is missing above
// it. What is made has exactly `mode`, and above it `parent_mode`, whatever the
// umask; what was there stays as it is. Links to directories that were there
// are followed, as an operator may have moved a directory; one that takes the
// place of what is being made is not.
//
// The directory if this call made it, so that it can be given an owner by
// fchown; not valid if it was there. Errors carry the path: ALREADY_EXISTS if
// something on the way is no directory, PERMISSION_DENIED and the like.
absl::StatusOr<UniqueFd> MakeDirectories(const std::string& path, mode_t mode,
                                         mode_t parent_mode);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_DIRECTORY_H_
