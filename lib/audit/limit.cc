#include "lib/audit/limit.h"

#include <utility>

namespace specula::audit {

absl::Status Limiter::Append(Writer& writer, Record record,
                             absl::Duration now) {
  int64_t suppressed = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!bucket_.Take(1, now)) {
      ++suppressed_;
      return absl::OkStatus();
    }
    suppressed = std::exchange(suppressed_, 0);
  }
  if (suppressed > 0) record.suppressed = suppressed;
  absl::Status status = writer.Append(std::move(record));
  if (!status.ok() && suppressed > 0) {
    absl::MutexLock lock(&mutex_);
    suppressed_ += suppressed;
  }
  return status;
}

}  // namespace specula::audit
