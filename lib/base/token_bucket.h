#ifndef SPECULA_LIB_BASE_TOKEN_BUCKET_H_
#define SPECULA_LIB_BASE_TOKEN_BUCKET_H_

#include <algorithm>

#include "absl/time/time.h"

namespace specula {

// Allows `rate` units a second on average and `burst` at once. Full at first.
// Times are those of MonotonicNow(). Not thread-safe.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst)
      : rate_(rate), burst_(burst), tokens_(burst) {}

  // Takes `amount` units if they are there; else takes none and returns false.
  bool Take(double amount, absl::Duration now) {
    Refill(now);
    if (tokens_ < amount) return false;
    tokens_ -= amount;
    return true;
  }

 private:
  void Refill(absl::Duration now) {
    const double seconds = absl::ToDoubleSeconds(now - last_);
    tokens_ = std::min(burst_, tokens_ + std::max(0.0, seconds) * rate_);
    last_ = now;
  }

  double rate_;
  double burst_;
  double tokens_;
  absl::Duration last_ = absl::ZeroDuration();
};

}  // namespace specula

#endif  // SPECULA_LIB_BASE_TOKEN_BUCKET_H_
