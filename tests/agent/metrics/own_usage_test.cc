#include "agent/metrics/own_usage.h"

#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace specula::agent {
namespace {

// The test itself stands for the broker, too: then everything counts twice.
TEST(OwnUsageTest, TheBrokerCountsAsMuchAsTheFront) {
  ProcRoot root("");
  const OwnUsage alone(root, 0);
  const OwnUsage both(root, getpid());
  while (*alone.CpuTime() < absl::Milliseconds(20)) {
  }
  const absl::Duration once = *alone.CpuTime();
  EXPECT_GE(*both.CpuTime(), 2 * once);
  EXPECT_LE(*both.CpuTime(), 2 * *alone.CpuTime() + absl::Milliseconds(1));
  const int64_t bytes = alone.ResidentBytes();
  EXPECT_GT(bytes, 1 << 20);
  EXPECT_GT(both.ResidentBytes(), bytes * 3 / 2);
  EXPECT_LT(both.ResidentBytes(), bytes * 5 / 2);
}

TEST(OwnUsageTest, WithoutTheBrokerThereIsNoCpuTime) {
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  ProcRoot root("");
  const OwnUsage usage(root, gone);
  EXPECT_FALSE(usage.CpuTime().has_value());
  EXPECT_GT(usage.ResidentBytes(), 1 << 20) << "what is known counts";
}

}  // namespace
}  // namespace specula::agent
