#ifndef SPECULA_AGENT_METRICS_MEMO_H_
#define SPECULA_AGENT_METRICS_MEMO_H_

#include <cstddef>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace specula::agent {

// Remembers what was found out about a name, where finding out costs a system
// call and the answer stays the same as long as the name stands for the same
// thing, which may not be for ever. Bounded: when too many names were seen, and
// `most_age` after the first, all are forgotten. Thread-safe.
template <typename T>
class Memo {
 public:
  explicit Memo(absl::Duration most_age = absl::Minutes(5))
      : most_age_(most_age) {}

  // `now` as of MonotonicNow(). Other threads go on while it finds out, which
  // may hang.
  template <typename FindOut>
  T Get(const std::string& name, absl::Duration now, FindOut find_out)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (now - first_time_ >= most_age_) known_.clear();
      if (auto known = known_.find(name); known != known_.end())
        return known->second;
    }
    T found = find_out();
    absl::MutexLock lock(&mutex_);
    if (known_.size() >= kMost) known_.clear();
    if (known_.empty()) first_time_ = now;
    known_[name] = found;
    return found;
  }

  // Whether Get would find out nothing.
  bool Knows(const std::string& name, absl::Duration now)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return now - first_time_ < most_age_ && known_.contains(name);
  }

 private:
  static constexpr size_t kMost = 1024;
  const absl::Duration most_age_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, T> known_ ABSL_GUARDED_BY(mutex_);
  absl::Duration first_time_ ABSL_GUARDED_BY(mutex_);  // of the oldest known
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_MEMO_H_
