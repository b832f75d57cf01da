#ifndef SPECULA_LIB_BASE_CLOCK_H_
#define SPECULA_LIB_BASE_CLOCK_H_

#include <time.h>

#include "absl/time/time.h"

namespace specula {

// Time since an arbitrary start that never jumps: CLOCK_MONOTONIC, which stands
// still in suspend, as the kernel's counters of CPU time and IO do.
inline absl::Duration MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace specula

#endif  // SPECULA_LIB_BASE_CLOCK_H_
