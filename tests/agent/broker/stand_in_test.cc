#include "agent/broker/stand_in.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

namespace specula::agent {
namespace {

using ::testing::ExitedWithCode;

// Each in a process of its own, as the stand-in of that.
TEST(StandInDeathTest, EndsAsTheOneBehindItDoes) {
  EXPECT_EXIT(_exit(RunBehindStandIn([] { return 7; })), ExitedWithCode(7), "");
  EXPECT_EXIT(_exit(RunBehindStandIn([] {
                raise(SIGKILL);
                return 0;
              })),
              ExitedWithCode(128 + SIGKILL), "");
}

TEST(StandInDeathTest, SignalsArePassedOn) {
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_EXIT(_exit(RunBehindStandIn([signal] {
                  kill(getppid(), signal);
                  while (true) pause();
                  return 0;
                })),
                ExitedWithCode(128 + signal), "");
  }
}

}  // namespace
}  // namespace specula::agent
