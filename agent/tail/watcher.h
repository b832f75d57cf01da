#ifndef SPECULA_AGENT_TAIL_WATCHER_H_
#define SPECULA_AGENT_TAIL_WATCHER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/unique_fd.h"

struct inotify_event;

namespace specula::agent {

// Tells who has to look at a file again. One for the whole agent, since a user
// may have few inotify instances: what many subscribe to is watched once.
// Watches the file, and the directory of its name and of each link on the way.
//
// Has no thread: the owner waits until fd() is readable and calls Dispatch, on
// its loop. Add, Remove and Arm follow paths and may hang as those do: they are
// for threads that may, and hold up neither each other nor Dispatch.
// Thread-safe, but for calls with one id, which come one after the other.
class Watcher {
 public:
  using Id = int64_t;
  struct Wake {
    Id id;
    // Not only the content changed, but perhaps what the name stands for: Arm
    // again, then look.
    bool name_changed;
  };
  struct Wakes {
    std::vector<Wake> wakes;  // each subscriber once
    // The kernel dropped events. Everybody is among the wakes, as if all had
    // changed: so nothing is missed.
    bool overflow = false;
  };

  // Without inotify (EMFILE: no instance is left) fd() is -1 and Arm says so.
  Watcher();
  Watcher(const Watcher&) = delete;

  int fd() const { return inotify_.get(); }

  // Subscribes to what is at `path`, absolute. Nothing is watched before Arm.
  Id Add(std::string path) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // Watches what `path` leads through now instead of what it led through
  // before. To be called before looking at the file, again at each Wake with
  // name_changed, and from time to time while it returns an error.
  // OK: changes will be told. Else they may not, and the file is to be polled:
  // RESOURCE_EXHAUSTED (no watch or no instance is left), PERMISSION_DENIED,
  // UNAVAILABLE (a network, FUSE, overlay or unknown file system). Those that
  // can be told are told even then.
  absl::Status Arm(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whom to wake. Never blocks.
  Wakes Dispatch() ABSL_LOCKS_EXCLUDED(mutex_);

  // How many watches there are in the kernel.
  size_t watch_count() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return watches_.size();
  }

 private:
  // A watched name of a directory, or with no name a watched file.
  struct Place {
    int watch;
    std::string name;
    bool operator==(const Place&) const = default;
  };
  struct Subscriber {
    std::string path;
    std::vector<Place> places;
  };
  using Ids = absl::flat_hash_set<Id>;
  // Of one watch: who wants to know of which name.
  using Watch = absl::flat_hash_map<std::string, Ids>;
  // Whether the name may have changed.
  using Woken = absl::flat_hash_map<Id, bool>;

  // Adds a watch for a path and takes note that `id` has it.
  absl::Status Occupy(Id id, const std::string& path, uint32_t mask,
                      absl::string_view name, std::vector<Place>& places)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives places up, and the watches that have no other.
  void Vacate(Id id, const std::vector<Place>& places)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Forget(Id id, const Place& place, std::vector<int>& unused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const inotify_event& event, Woken& woken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  UniqueFd inotify_;
  absl::Status no_inotify_;
  mutable absl::Mutex mutex_;
  absl::CondVar died_;
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<Id, Subscriber> subscribers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  // Given up, and on their way out of the kernel, without the lock.
  absl::flat_hash_set<int> dying_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_WATCHER_H_
