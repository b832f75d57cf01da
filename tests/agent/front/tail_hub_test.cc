#include "agent/front/tail_hub.h"

#include <atomic>
#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kRetry = absl::Milliseconds(5);
// A file system that tells nobody of changes, on every Linux.
constexpr char kUnannounced[] = "/proc/self/status";

class TailHubTest : public ::testing::Test {
 protected:
  ~TailHubTest() override { loop_.Stop(); }

  // On the loop, and waits for it.
  void Run(const std::function<void()>& task) {
    absl::Notification done;
    loop_.Post([&] {
      task();
      done.Notify();
    });
    done.WaitForNotification();
  }

  // As the front does it, but on one thread. Whether changes will be told.
  bool Arm(TailHub::Id id) {
    const bool told = hub_.watcher()->Arm(id).ok();
    hub_.Armed(id, told);
    return told;
  }

  const testing::TempDirectory directory_;
  EventLoop loop_;
  TailHub hub_{loop_, kRetry};
};

TEST_F(TailHubTest, WhatCannotBeWatchedIsTriedAgainAndAgain) {
  absl::Notification thrice;
  int tries = 0;
  TailHub::Id id = 0;
  Run([&] {
    id = hub_.Add(kUnannounced, [&](bool name_changed) {
      EXPECT_TRUE(name_changed);
      EXPECT_FALSE(Arm(id));
      if (++tries == 3) thrice.Notify();
    });
    EXPECT_FALSE(Arm(id));
  });
  EXPECT_TRUE(thrice.WaitForNotificationWithTimeout(absl::Seconds(60)));
  Run([&] { hub_.Remove(id); });
}

TEST_F(TailHubTest, WhatIsWatchedOrGoneIsLeftInPeace) {
  const std::string path = directory_.Write("log", "x");
  int wakes = 0;
  Run([&] {
    const TailHub::Id watched = hub_.Add(path, [&](bool) { ++wakes; });
    EXPECT_TRUE(Arm(watched));
    const TailHub::Id gone = hub_.Add(kUnannounced, [&](bool) { ++wakes; });
    EXPECT_FALSE(Arm(gone));
    hub_.Remove(gone);
  });
  absl::SleepFor(20 * kRetry);
  Run([&] { EXPECT_EQ(wakes, 0); });
}

}  // namespace
}  // namespace specula::agent
