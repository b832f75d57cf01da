#ifndef SPECULA_AGENT_BROKER_LOOP_H_
#define SPECULA_AGENT_BROKER_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The thread that is the broker: waits for descriptors and times, and calls.
// With nothing to wait for but descriptors it never wakes up by itself. Not
// Asio: this program must stay small, and its forks must not meet a library's
// state. Not thread-safe but for Post; callbacks may do everything but destroy
// the loop.
class Loop {
 public:
  static absl::StatusOr<std::unique_ptr<Loop>> Create();

  // Calls `ready` with epoll's events, level-triggered, until Unwatch. One
  // watch for a descriptor; it must be taken away before the descriptor is
  // closed.
  void Watch(int fd, uint32_t events, std::function<void(uint32_t)> ready);
  void Change(int fd, uint32_t events);
  void Unwatch(int fd);

  // Calls `task` once, not before `time` (of MonotonicNow).
  using TimerId = std::pair<absl::Duration, uint64_t>;
  TimerId At(absl::Duration time, std::function<void()> task);
  void Cancel(const TimerId& timer) { timers_.erase(timer); }

  // Calls `task` once, in the loop's thread and never before this returns. From
  // any thread, as long as the loop is there; what it has not run when it is
  // destroyed is dropped.
  void Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Called at the end of every turn; gives the time of the next turn at the
  // latest.
  void set_after_turn(std::function<absl::Duration()> task) {
    after_turn_ = std::move(task);
  }

  // Returns after Stop.
  void Run();
  void Stop() { running_ = false; }

  // The time at which the turn began.
  absl::Duration now() const { return now_; }

 private:
  struct Entry {
    uint64_t generation;
    std::function<void(uint32_t)> ready;
  };

  Loop(UniqueFd epoll, UniqueFd posted_event);

  void RunPosted() ABSL_LOCKS_EXCLUDED(mutex_);

  UniqueFd epoll_;
  UniqueFd posted_event_;  // an eventfd: something was posted
  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  bool running_ = false;
  absl::Duration now_;
  uint64_t next_ = 1;
  std::map<int, std::shared_ptr<Entry>> entries_;
  std::map<TimerId, std::function<void()>> timers_;
  std::function<absl::Duration()> after_turn_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_LOOP_H_
