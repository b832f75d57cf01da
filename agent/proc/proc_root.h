#ifndef SPECULA_AGENT_PROC_PROC_ROOT_H_
#define SPECULA_AGENT_PROC_PROC_ROOT_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The only reader of /proc, /sys and /etc in the agent. `root` is put before
// every path, so that tests give a recorded tree and a container gives the
// place where the host's files are mounted. Thread-safe.
class ProcRoot {
 public:
  // `root` is "" for this machine, else a directory without a trailing slash.
  explicit ProcRoot(std::string root);

  // Reads one file, such as "/proc/loadavg", of at most 4 MiB.
  absl::StatusOr<std::string> Read(absl::string_view path) const;

  // As Read, for a file that is read at every scrape and always stands at the
  // same name: its descriptor is kept open, which saves half of the cost.
  // `longest_line` as in ReadAll; 0 where a line may have any length.
  absl::StatusOr<std::string> ReadPinned(absl::string_view path,
                                         size_t longest_line = 512)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a pinned file may have changed since it was read last, for those of
  // which the kernel tells (mountinfo, by POLLPRI). True for one that was not
  // read yet.
  bool PinnedHasChanged(absl::string_view path) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Names in a directory without "." and "..", sorted.
  absl::StatusOr<std::vector<std::string>> List(absl::string_view path) const;

  // Target of a symbolic link.
  absl::StatusOr<std::string> ReadLink(absl::string_view path) const;

  // Whether the path exists (symbolic links are followed).
  bool Exists(absl::string_view path) const;

  // The path with the root before it.
  std::string Path(absl::string_view path) const;

 private:
  const std::string root_;
  mutable absl::Mutex mutex_;
  // Descriptors are never closed while the object lives, so they may be used
  // without the lock.
  absl::flat_hash_map<std::string, UniqueFd> pinned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_PROC_ROOT_H_
