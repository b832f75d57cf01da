// A clock that is moved under waits. The program's own clock functions stand
// before libc's: to abseil the wall clock is a day ahead of the kernel's, as
// after it was set back in the middle of a wait.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/config.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "lib/base/clock.h"

namespace {

std::atomic<time_t> moved_by = 0;

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (clock == CLOCK_REALTIME) now->tv_sec += moved_by;
  return result;
}

extern "C" int gettimeofday(timeval* now, void*) noexcept {
  timespec precise;
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *now = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

namespace specula {
namespace {

constexpr time_t kDay = 24 * 3600;

class SteadyWaitsTest : public ::testing::TestWithParam<time_t> {
 protected:
  void SetUp() override {
#if !defined(ABSL_LTS_RELEASE_VERSION) || ABSL_LTS_RELEASE_VERSION != 20220623
    GTEST_SKIP() << "another abseil, which may do it by itself";
#endif
    moved_by = GetParam();
  }
  void TearDown() override { moved_by = 0; }
};

TEST_P(SteadyWaitsTest, TakeAsLongAsWasAsked) {
  absl::Mutex mutex;
  absl::CondVar never;
  // Else a wait of a day would tell nothing for as long.
  absl::Notification over;
  std::thread watchdog([&] {
    const absl::Duration end = MonotonicNow() + absl::Seconds(20);
    while (!over.HasBeenNotified() && MonotonicNow() < end) usleep(10'000);
    never.SignalAll();
  });
  for (const absl::Duration wanted :
       {absl::Milliseconds(-1), absl::Milliseconds(1),
        absl::Milliseconds(200)}) {
    const absl::Duration begun = MonotonicNow();
    bool timed_out = false;
    {
      absl::MutexLock lock(&mutex);
      timed_out = never.WaitWithTimeout(&mutex, wanted);
    }
    const absl::Duration took = MonotonicNow() - begun;
    EXPECT_TRUE(timed_out) << wanted;
    EXPECT_GE(took, wanted - absl::Milliseconds(1));
    EXPECT_LT(took, absl::Seconds(10)) << wanted;
  }
  over.Notify();
  watchdog.join();
}

TEST_P(SteadyWaitsTest, EndWhenTheyAreTold) {
  absl::Notification told;
  std::thread teller([&] {
    usleep(50'000);
    told.Notify();
  });
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(60)));
  teller.join();
  absl::Notification also;
  std::thread other([&] {
    usleep(50'000);
    also.Notify();
  });
  also.WaitForNotification();
  other.join();
}

TEST_P(SteadyWaitsTest, SteadyTimeIsNotMoved) {
  moved_by = 0;
  const absl::Time before = SteadyNow();
  moved_by = GetParam();
  const absl::Duration moved = SteadyNow() - before;
  EXPECT_GE(moved, absl::ZeroDuration());
  EXPECT_LT(moved, absl::Minutes(5));
}

TEST(SteadyWaitsLockTest, ManyThreadsShareOneLock) {
  absl::Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 2000; ++k) {
        absl::MutexLock lock(&mutex);
        ++count;
      }
    });
  }
  {
    absl::MutexLock lock(&mutex);
    const auto done = [&count] { return count == 16'000; };
    EXPECT_TRUE(
        mutex.AwaitWithTimeout(absl::Condition(&done), absl::Seconds(60)));
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Moved, SteadyWaitsTest,
                         ::testing::Values(0, kDay, -kDay),
                         [](const auto& by) -> std::string {
                           return by.param == 0  ? "Not"
                                  : by.param > 0 ? "Ahead"
                                                 : "Back";
                         });

}  // namespace
}  // namespace specula
