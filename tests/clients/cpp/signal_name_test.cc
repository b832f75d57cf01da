#include "clients/cpp/signal_name.h"

#include <gtest/gtest.h>

namespace specula {
namespace {

TEST(SignalNameTest, NamesAreThoseOfSignal7) {
  EXPECT_EQ(SignalName(1), "HUP");
  EXPECT_EQ(SignalName(6), "ABRT");
  EXPECT_EQ(SignalName(9), "KILL");
  EXPECT_EQ(SignalName(15), "TERM");
  EXPECT_EQ(SignalName(31), "SYS");
  EXPECT_EQ(SignalName(34), "RTMIN");
  EXPECT_EQ(SignalName(35), "RTMIN+1");
  EXPECT_EQ(SignalName(64), "RTMIN+30");
}

TEST(SignalNameTest, WhatHasNoNameIsANumber) {
  EXPECT_EQ(SignalName(32), "32");
  EXPECT_EQ(SignalName(33), "33");
  EXPECT_EQ(SignalName(0), "0");
  EXPECT_EQ(SignalName(65), "65");
  EXPECT_EQ(SignalName(-1), "-1");
}

TEST(SignalNameTest, EveryNameIsReadBack) {
  for (int signal = 1; signal <= 64; ++signal) {
    absl::StatusOr<int> parsed = ParseSignal(SignalName(signal));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, signal);
  }
}

TEST(SignalNameTest, FormsThatPeopleWrite) {
  EXPECT_EQ(*ParseSignal("SIGTERM"), 15);
  EXPECT_EQ(*ParseSignal("term"), 15);
  EXPECT_EQ(*ParseSignal("sigusr1"), 10);
  EXPECT_EQ(*ParseSignal("9"), 9);
  EXPECT_EQ(*ParseSignal("CLD"), 17);
  EXPECT_EQ(*ParseSignal("RTMAX"), 64);
  EXPECT_EQ(*ParseSignal("SIGRTMAX-2"), 62);
  EXPECT_EQ(*ParseSignal("rtmin+3"), 37);
}

TEST(SignalNameTest, WhatIsNoSignalIsRefused) {
  for (const char* text :
       {"", "0", "65", "-1", "+9", "9 ", "TERMM", "SIG", "RTMIN+31", "RTMIN-1",
        "RTMIN+", "RTMAX+1", "RTMAX-31", "SIG9", "\x1b[2J"}) {
    EXPECT_FALSE(ParseSignal(text).ok()) << text;
  }
}

}  // namespace
}  // namespace specula
