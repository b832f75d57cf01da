// Waits with a time limit, of absl's Mutex and CondVar and so of gRPC's timers,
// by a clock that nobody moves.
//
// Abseil (of Debian 12, 20220623) hands the kernel a point of the wall clock.
// When that is set back by a day in the middle of a wait, the wait takes a day:
// deadlines are not kept, keepalive finds nobody out. These are its extension
// points, weak symbols that a program may define for itself; they do what
// abseil's own do but for the clock. The object is linked into the programs and
// not into the library that others use.
#include "absl/base/config.h"

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION == 20220623

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <new>

#include "absl/base/internal/thread_identity.h"
#include "absl/synchronization/internal/create_thread_identity.h"
#include "absl/synchronization/internal/kernel_timeout.h"
#include "absl/synchronization/internal/per_thread_sem.h"

namespace specula {
namespace {

using absl::base_internal::ThreadIdentity;
using absl::synchronization_internal::KernelTimeout;

// A count that abseil has set to 0 and leaves to the two functions below.
using Semaphore = std::atomic<int32_t>;
static_assert(sizeof(Semaphore) == sizeof(int32_t));

Semaphore& SemaphoreOf(ThreadIdentity* identity) {
  return *std::launder(
      reinterpret_cast<Semaphore*>(identity->waiter_state.data));
}

constexpr int64_t kNanosPerSecond = 1'000'000'000;

int64_t Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

// The same moment by the monotonic clock.
timespec MonotonicLimit(KernelTimeout limit) {
  const timespec wall = limit.MakeAbsTimespec();
  constexpr int64_t kFar = INT64_MAX / 4;  // seventy years
  int64_t left = kFar;
  if (wall.tv_sec < kFar / kNanosPerSecond) {
    left = wall.tv_sec * kNanosPerSecond + wall.tv_nsec - Now(CLOCK_REALTIME);
  }
  const int64_t end = Now(CLOCK_MONOTONIC) + std::clamp<int64_t>(left, 0, kFar);
  return {static_cast<time_t>(end / kNanosPerSecond),
          static_cast<long>(end % kNanosPerSecond)};  // NOLINT
}

// False when the time is over.
bool Take(Semaphore& semaphore, KernelTimeout limit) {
  timespec end = {};
  const timespec* until = nullptr;
  while (true) {
    int32_t count = semaphore.load(std::memory_order_relaxed);
    while (count != 0) {
      if (semaphore.compare_exchange_weak(count, count - 1,
                                          std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
        return true;
      }
    }
    if (limit.has_timeout() && until == nullptr) {
      end = MonotonicLimit(limit);
      until = &end;
    }
    // Without FUTEX_CLOCK_REALTIME the limit is a point of CLOCK_MONOTONIC.
    const int64_t waited =
        syscall(SYS_futex, &semaphore, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                0, until, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (waited != 0 && errno == ETIMEDOUT) return false;
  }
}

}  // namespace
}  // namespace specula

extern "C" {

void ABSL_INTERNAL_C_SYMBOL(AbslInternalPerThreadSemPost)(
    absl::base_internal::ThreadIdentity* identity) {
  specula::Semaphore& semaphore = specula::SemaphoreOf(identity);
  if (semaphore.fetch_add(1, std::memory_order_release) == 0) {
    const int kept = errno;
    syscall(SYS_futex, &semaphore, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
    errno = kept;
  }
}

bool ABSL_INTERNAL_C_SYMBOL(AbslInternalPerThreadSemWait)(
    absl::synchronization_internal::KernelTimeout t) {
  absl::base_internal::ThreadIdentity* identity =
      absl::synchronization_internal::GetOrCreateCurrentThreadIdentity();
  // What abseil's own keeps for who asks how many threads are blocked.
  const int ticker = identity->ticker.load(std::memory_order_relaxed);
  identity->wait_start.store(ticker != 0 ? ticker : 1,
                             std::memory_order_relaxed);
  identity->is_idle.store(false, std::memory_order_relaxed);
  if (identity->blocked_count_ptr != nullptr)
    identity->blocked_count_ptr->fetch_add(1, std::memory_order_relaxed);
  const bool posted = specula::Take(specula::SemaphoreOf(identity), t);
  if (identity->blocked_count_ptr != nullptr)
    identity->blocked_count_ptr->fetch_sub(1, std::memory_order_relaxed);
  identity->is_idle.store(false, std::memory_order_relaxed);
  identity->wait_start.store(0, std::memory_order_relaxed);
  return posted;
}

}  // extern "C"

#endif
