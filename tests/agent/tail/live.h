#ifndef SPECULA_TESTS_AGENT_TAIL_LIVE_H_
#define SPECULA_TESTS_AGENT_TAIL_LIVE_H_

#include <poll.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/tail/follower.h"
#include "agent/tail/opener.h"
#include "agent/tail/watcher.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"

namespace specula::agent {

// Drives one follower by the watcher and the real clock, as the front does it.
class LiveTail {
 public:
  LiveTail(Watcher& watcher, TailOptions options)
      : watcher_(watcher), id_(watcher.Add(options.path)) {
    follower_ = *Follower::Create(std::move(options));
    Arm();
  }
  ~LiveTail() { watcher_.Remove(id_); }

  Watcher::Id id() const { return id_; }

  void Wake(const Watcher::Wake& wake) {
    if (!wake.name_changed) return;
    Arm();
    follower_->NameMayHaveChanged();
  }

  // Gives what is there to `sink`; then wake_time() is set.
  absl::Status Pump(const std::function<void(TailItem)>& sink) {
    while (true) {
      const absl::Duration now = MonotonicNow();
      ASSIGN_OR_RETURN(Follower::Progress progress,
                       StepWith(*follower_, opener_, now, 256 << 10));
      if (progress.item.has_value()) sink(*std::move(progress.item));
      wake_time_ = progress.wake_time;
      if (progress.done || wake_time_ > now) return absl::OkStatus();
    }
  }
  absl::Duration wake_time() const { return wake_time_; }

 private:
  void Arm() { follower_->SetAnnounced(watcher_.Arm(id_).ok()); }

  Watcher& watcher_;
  Watcher::Id id_;
  PlainOpener opener_;
  std::unique_ptr<Follower> follower_;
  absl::Duration wake_time_ = absl::ZeroDuration();
};

// Waits for a change or for `tail` to be due, at most until `deadline`, and
// pumps.
inline absl::Status LiveTurn(Watcher& watcher, LiveTail& tail,
                             absl::Duration deadline,
                             const std::function<void(TailItem)>& sink) {
  const absl::Duration wait =
      std::max(absl::ZeroDuration(),
               std::min(tail.wake_time(), deadline) - MonotonicNow());
  pollfd waiting{watcher.fd(), POLLIN, 0};
  poll(&waiting, 1,
       static_cast<int>(
           absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)))));
  for (const Watcher::Wake& wake : watcher.Dispatch().wakes) {
    if (wake.id == tail.id()) tail.Wake(wake);
  }
  return tail.Pump(sink);
}

}  // namespace specula::agent

#endif  // SPECULA_TESTS_AGENT_TAIL_LIVE_H_
