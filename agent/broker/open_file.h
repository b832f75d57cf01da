#ifndef SPECULA_AGENT_BROKER_OPEN_FILE_H_
#define SPECULA_AGENT_BROKER_OPEN_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

// Opens what a caller names, and nothing that he merely leads us to: no link
// out of the allowed roots, no magic link of /proc, no device whose opening
// does something.
namespace specula::agent {

// INVALID_ARGUMENT unless absolute, without NUL and at most 4,095 bytes. Pure.
absl::Status CheckPath(absl::string_view path);

// Where `path` lies below `root`, as "a/b", or "." for the root itself; by its
// words alone, with "." and double slashes taken out. NOT_FOUND if it does not
// lie below, or has a "..". Pure.
absl::StatusOr<std::string> PathBelow(absl::string_view root,
                                      absl::string_view path);

// Resolves a path without opening it: an O_PATH descriptor of a file that lies
// under one of `roots`, or anywhere if there are none. Links are followed while
// they stay there; absolute ones too (Kubernetes' /var/log/containers has
// them).
//
// NOT_FOUND, PERMISSION_DENIED (out of the roots, a magic link, no right),
// FAILED_PRECONDITION (a loop of links). `use_openat2` false does without it,
// as on kernels before 5.6.
absl::StatusOr<UniqueFd> ResolvePath(const std::string& path,
                                     const std::vector<std::string>& roots,
                                     bool use_openat2 = true);

// A regular file, opened for reading; non-blocking and close-on-exec. As
// ResolvePath, and FAILED_PRECONDITION for a directory, FIFO, socket or device,
// PERMISSION_DENIED for a file of /proc, /sys and the like.
absl::StatusOr<UniqueFd> OpenRegularFile(const std::string& path,
                                         const std::vector<std::string>& roots,
                                         bool use_openat2 = true);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_OPEN_FILE_H_
