#ifndef SPECULA_AGENT_TAIL_FILE_KIND_H_
#define SPECULA_AGENT_TAIL_FILE_KIND_H_

#include <sys/stat.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace specula::agent {

// What can be followed: OK for a regular file of a file system that stores
// files. FAILED_PRECONDITION, with the kind and `path`, for a directory, FIFO,
// socket, device, and for the files that a kernel makes up as they are read
// (/proc, /sys and friends), which have no end to wait at. `fd` may be O_PATH.
absl::Status CheckFollowable(int fd, const struct stat& info,
                             absl::string_view path);

// OK if inotify tells of every change below `path`. UNAVAILABLE if changes may
// come unannounced (network, FUSE, overlay and unknown file systems) or statfs
// fails: look from time to time.
absl::Status CheckAnnounced(const std::string& path);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_FILE_KIND_H_
