#ifndef SPECULA_AGENT_METRICS_BASELINE_H_
#define SPECULA_AGENT_METRICS_BASELINE_H_

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace specula::agent {

// Counters of one kind, read at one moment of MonotonicNow().
template <typename T>
struct Sample {
  absl::Duration taken;
  T value;
};

// Which earlier sample a rate may be taken against.
struct BaselinePolicy {
  absl::Duration min_window;  // a younger one is too near for a rate
  absl::Duration max_window;  // an older one would tell of the past, not of now
};

// For callers that come and go (unary calls) and share what others have read: a
// window of 0.2 to 3 s. Polling from one side does not shorten the window of
// another, because all get the newest sample that is old enough.
inline constexpr BaselinePolicy kSharedPolicy{absl::Milliseconds(200),
                                              absl::Seconds(3)};

// For one subscriber: always the sample before, however long ago.
inline constexpr BaselinePolicy kOwnPolicy{absl::ZeroDuration(),
                                           absl::InfiniteDuration()};

// The earlier samples of one kind of counter. Bounded: with kSharedPolicy at
// most 16 samples, with kOwnPolicy one. Thread-safe.
template <typename T>
class Baselines {
 public:
  using Ref = std::shared_ptr<const Sample<T>>;

  explicit Baselines(const BaselinePolicy& policy) : policy_(policy) {}

  // The sample that a rate up to `now` is taken against; null if there is none.
  Ref Find(absl::Duration now) const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return FindLocked(now);
  }

  // As Find for the time of `current`, and keeps it for those who come later.
  Ref Exchange(Ref current) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Ref previous = FindLocked(current->taken);
    Keep(std::move(current));
    return previous;
  }

  // How long from `now` until a sample that is kept already can serve as a
  // baseline; infinite if none will.
  absl::Duration TimeUntilUsable(absl::Duration now) const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (FindLocked(now) != nullptr) return absl::ZeroDuration();
    // None is both old and young enough: the oldest of those that are too young
    // gets there first.
    for (const Ref& sample : samples_) {
      if (now - sample->taken <= policy_.max_window) {
        return policy_.min_window - (now - sample->taken);
      }
    }
    return absl::InfiniteDuration();
  }

 private:
  Ref FindLocked(absl::Duration now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto sample = samples_.rbegin(); sample != samples_.rend(); ++sample) {
      const absl::Duration age = now - (*sample)->taken;
      if (age > policy_.max_window) break;
      if (age >= policy_.min_window) return *sample;
    }
    return nullptr;
  }

  void Keep(Ref current) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!samples_.empty() &&
           current->taken - samples_.front()->taken > policy_.max_window) {
      samples_.pop_front();
    }
    if (policy_.min_window == absl::ZeroDuration()) samples_.clear();
    // Nearer ones than this would only cost memory: the one before serves as
    // well.
    if (samples_.empty() ||
        current->taken - samples_.back()->taken >= policy_.min_window) {
      samples_.push_back(std::move(current));
    }
  }

  const BaselinePolicy policy_;
  mutable absl::Mutex mutex_;
  std::deque<Ref> samples_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_BASELINE_H_
