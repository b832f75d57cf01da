#ifndef SPECULA_AGENT_PROC_PROC_ROOT_H_
#define SPECULA_AGENT_PROC_PROC_ROOT_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The only reader of /proc, /sys and /etc in the agent. `root` is put before
// every path, so that tests give a recorded tree and a container gives the
// place where the host's files are mounted. Thread-safe.
class ProcRoot {
 public:
  // `root` is "" for this machine, else a directory without a trailing slash.
  // `look_again` is how long a pinned file is taken for the one of its name; 1
  // second is a small part of the cost of a scrape.
  static constexpr absl::Duration kLookAgain = absl::Seconds(1);
  explicit ProcRoot(std::string root, absl::Duration look_again = kLookAgain);

  // Reads one file, such as "/proc/loadavg", of at most 4 MiB.
  absl::StatusOr<std::string> Read(absl::string_view path) const;

  // As Read, for a file that is read at every scrape: its descriptor is kept
  // open, which saves half of the cost. What the name leads to may be replaced
  // (lxcfs is restarted, a file is mounted over it, a control group is made
  // again): it is opened again where reading fails, and where the name leads
  // to another file for longer than `look_again`.
  // `longest_line` as in ReadAll; 0 where a line may have any length.
  absl::StatusOr<std::string> ReadPinned(absl::string_view path,
                                         size_t longest_line = 512)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a pinned file may have changed since it was read last, for those of
  // which the kernel tells (mountinfo, by POLLPRI). True for one that was not
  // read yet, that was replaced, or of which the kernel does not tell.
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
  struct Pinned {
    // Shared with those who read from it at the moment, without the lock.
    std::shared_ptr<const UniqueFd> fd;
    dev_t device = 0;
    ino_t inode = 0;
    absl::Duration looked;  // when the name led there last, of MonotonicNow()
  };

  // The descriptor that is kept for `path`; null if there is none that can be
  // taken for the file of that name. Calls the file system without the lock.
  std::shared_ptr<const UniqueFd> Kept(absl::string_view path) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Pinned> Open(absl::string_view path) const;

  const std::string root_;
  const absl::Duration look_again_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<std::string, Pinned> pinned_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_PROC_ROOT_H_
