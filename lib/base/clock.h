#ifndef SPECULA_LIB_BASE_CLOCK_H_
#define SPECULA_LIB_BASE_CLOCK_H_

#include <time.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace specula {

// Time since an arbitrary start that never jumps: CLOCK_MONOTONIC, which stands
// still in suspend, as the kernel's counters of CPU time and IO do.
inline absl::Duration MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

// What absl::Now() would say had nobody moved the clock since this was first
// called: CLOCK_BOOTTIME, which goes on in suspend. For deadlines, ages and how
// long something took; never for what is compared with a certificate or with
// another host. Thread-safe.
inline absl::Time SteadyNow() {
  const auto since_boot = [] {
    timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return absl::DurationFromTimespec(now);
  };
  static const absl::Time kBoot = absl::Now() - since_boot();
  return kBoot + since_boot();
}

}  // namespace specula

#endif  // SPECULA_LIB_BASE_CLOCK_H_
