#ifndef SPECULA_LIB_BASE_FILE_H_
#define SPECULA_LIB_BASE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula {

// Reads all that `fd` gives from `offset` on, with pread. RESOURCE_EXHAUSTED
// beyond `max_bytes`; `name` is for the error text only.
//
// `longest_line` is for files of /proc and /sys whose lines are never longer,
// newline included: the kernel gives as many whole lines as a page holds, so
// what leaves room for one more was the end, and it need not be asked again. 0:
// read until the kernel says that this is the end.
absl::StatusOr<std::string> ReadAll(int fd, absl::string_view name,
                                    size_t max_bytes, size_t longest_line = 0);

// Reads a whole file. Errors carry the path: NOT_FOUND, PERMISSION_DENIED,
// RESOURCE_EXHAUSTED (longer than `max_bytes`).
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes = 1 << 20);

// Reads a file that holds a secret. As ReadFile, but PERMISSION_DENIED unless
// it is a regular file of this user or root, not accessible to others, and to a
// group only if that is one of this process's own (a mounted Kubernetes
// secret).
absl::StatusOr<std::string> ReadSecretFile(const std::string& path,
                                           size_t max_bytes = 1 << 20);

// Whether `group` is the effective group or one of the others of this process.
bool IsOwnGroup(gid_t group);

// Replaces or creates `path` with `content` in one step: readers see the old or
// the new file, never a part. ALREADY_EXISTS if it exists and not `replace`.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content, mode_t mode,
                                 bool replace);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_FILE_H_
