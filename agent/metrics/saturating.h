#ifndef SPECULA_AGENT_METRICS_SATURATING_H_
#define SPECULA_AGENT_METRICS_SATURATING_H_

#include <cstdint>

namespace specula::agent {

// Sums and products of numbers that the kernel gave, which are not negative but
// may be as great as INT64_MAX; what does not fit is cut to it.
inline int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

inline int64_t SaturatingMultiply(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SATURATING_H_
