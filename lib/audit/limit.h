#ifndef SPECULA_LIB_AUDIT_LIMIT_H_
#define SPECULA_LIB_AUDIT_LIMIT_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/audit/record.h"
#include "lib/base/clock.h"
#include "lib/base/token_bucket.h"

namespace specula::audit {

// Records that a stranger can cause (denials, failed handshakes), so that he
// cannot fill the disk: at most 20 at once and 5 a second are written, and the
// next one that is tells how many were not ("suppressed"). Make one for each
// kind, so that one kind does not hide another. Thread-safe.
class Limiter {
 public:
  // Returns whether `record` is to be written, and lets it tell how many before
  // it were not. One that is not is counted.
  bool Admit(Record& record, absl::Duration now = MonotonicNow())
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts again what a record that could not be written would have told.
  void Restore(int64_t suppressed) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mutex_){5, 20};
  int64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_LIMIT_H_
