#ifndef SPECULA_AGENT_METRICS_MEMO_H_
#define SPECULA_AGENT_METRICS_MEMO_H_

#include <cstddef>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace specula::agent {

// Remembers what was found out about a name, where finding out costs a system
// call and the answer stays the same as long as the name stands for the same
// thing. Bounded: when too many names were seen, all are forgotten.
// Thread-safe.
template <typename T>
class Memo {
 public:
  template <typename FindOut>
  T Get(const std::string& name, FindOut find_out) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (auto known = known_.find(name); known != known_.end())
      return known->second;
    if (known_.size() >= kMost) known_.clear();
    return known_[name] = find_out();
  }

 private:
  static constexpr size_t kMost = 1024;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, T> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_MEMO_H_
