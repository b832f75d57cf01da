// What a child through the channel costs against posix_spawn and wait in this
// process, in one run, turn by turn.

#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "lib/base/clock.h"
#include "tests/agent/broker/harness.h"

extern char** environ;

namespace specula::agent {
namespace {

absl::Duration Median(std::vector<absl::Duration> times) {
  std::nth_element(times.begin(),
                   times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

void SpawnAndWait() {
  char program[] = "/bin/true";
  char* argv[] = {program, nullptr};
  pid_t pid;
  ASSERT_EQ(posix_spawn(&pid, program, nullptr, nullptr, argv, environ), 0);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
}

class SpawnCostTest : public BrokerTest {
 protected:
  // The least that a front does: descriptors, the end told, both pipes at their
  // end.
  void ExecTrue() {
    auto result = Begin(Argv({"/bin/true"}));
    while (!result->gone &&
           (absl::IsUnknown(result->status) || result->status.ok()) && !lost_) {
      pollfd poller = {client_->fd(), POLLIN, 0};
      poll(&poller, 1, -1);
      client_->OnReadable();
    }
    ReadPipes(*result);
    ASSERT_TRUE(result->exited && result->exited->code() == 0);
    ASSERT_FALSE(result->out_open || result->error_open);
  }

  double Ratio() {
    Launch();
    std::vector<absl::Duration> plain, through;
    for (int i = 0; i < 400; ++i) {
      absl::Duration begin = MonotonicNow();
      SpawnAndWait();
      const absl::Duration middle = MonotonicNow();
      ExecTrue();
      plain.push_back(middle - begin);
      through.push_back(MonotonicNow() - middle);
    }
    const double ratio = absl::FDivDuration(Median(through), Median(plain));
    printf("posix_spawn+wait %s, through the broker (%s) %s: %.2f\n",
           absl::FormatDuration(Median(plain)).c_str(),
           Describe().supervision().c_str(),
           absl::FormatDuration(Median(through)).c_str(), ratio);
    return ratio;
  }
};

TEST_F(SpawnCostTest, IsNearPosixSpawn) { EXPECT_LT(Ratio(), 2.5); }

TEST_F(SpawnCostTest, IsNearPosixSpawnWithoutCgroups) {
  options_.jobs.use_cgroups = false;
  EXPECT_LT(Ratio(), 2.5);
}

}  // namespace
}  // namespace specula::agent
