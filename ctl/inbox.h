#ifndef SPECULA_CTL_INBOX_H_
#define SPECULA_CTL_INBOX_H_

#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace specula::ctl {

// What gRPC's threads want done on the one thread that decides. It may outlive
// that thread's work: once closed it takes nothing, so that what was posted may
// speak of objects that live until then. Thread-safe.
class Inbox {
 public:
  // `wake` is called, from any thread, when the first act comes; must not
  // block.
  explicit Inbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Post(std::function<void()> act) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    acts_.push_back(std::move(act));
    if (acts_.size() == 1) wake_();
  }

  // All that were posted, in their order; to be done one after the other.
  std::vector<std::function<void()>> Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(acts_, {});
  }

  void Close() {
    std::vector<std::function<void()>> dropped;  // let go without the lock
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    dropped.swap(acts_);
  }

 private:
  const std::function<void()> wake_;
  absl::Mutex mutex_;
  std::vector<std::function<void()>> acts_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_INBOX_H_
