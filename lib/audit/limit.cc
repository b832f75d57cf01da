#include "lib/audit/limit.h"

#include <utility>

namespace specula::audit {

bool Limiter::Admit(Record& record, absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  if (!bucket_.Take(1, now)) {
    ++suppressed_;
    return false;
  }
  if (const int64_t suppressed = std::exchange(suppressed_, 0); suppressed > 0)
    record.suppressed = suppressed;
  return true;
}

void Limiter::Restore(int64_t suppressed) {
  absl::MutexLock lock(&mutex_);
  suppressed_ += suppressed;
}

}  // namespace specula::audit
