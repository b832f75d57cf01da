#include "ctl/roll.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;

// Lets begin who may, then ends all who run; gives how many began each time.
std::vector<size_t> Rounds(const Roll& roll, size_t failing_from = SIZE_MAX) {
  std::vector<size_t> rounds;
  size_t began = 0;
  size_t failed = 0;
  while (true) {
    const size_t ended = began;
    while (roll.MayBegin(began, ended, failed)) ++began;
    if (began == ended) return rounds;
    rounds.push_back(began - ended);
    for (size_t host = ended; host < began; ++host) {
      failed += host >= failing_from ? 1 : 0;
    }
  }
}

TEST(RollTest, AllAtOnceUnlessToldOtherwise) {
  EXPECT_THAT(Rounds(Roll({.total = 5000})), ElementsAre(5000));
  EXPECT_THAT(Rounds(Roll({.total = 10, .width = 4})), ElementsAre(4, 4, 2));
}

TEST(RollTest, CanariesFirstThenGroups) {
  EXPECT_THAT(Rounds(Roll({.total = 10, .canary = 2})), ElementsAre(2, 8));
  EXPECT_THAT(Rounds(Roll({.total = 10, .canary = 1, .group = 4})),
              ElementsAre(1, 4, 4, 1));
  EXPECT_THAT(Rounds(Roll({.total = 10, .group = 3})), ElementsAre(3, 3, 3, 1));
  EXPECT_THAT(Rounds(Roll({.total = 7, .width = 2, .canary = 3, .group = 3})),
              ElementsAre(2, 1, 2, 1, 1));
  EXPECT_THAT(Rounds(Roll({.total = 2, .canary = 5})), ElementsAre(2));
}

TEST(RollTest, AGroupWaitsForTheLastOfTheOneBefore) {
  const Roll roll({.total = 10, .canary = 1, .group = 4});
  EXPECT_FALSE(roll.MayBegin(1, 0, 0));
  EXPECT_TRUE(roll.MayBegin(1, 1, 0));
  EXPECT_TRUE(roll.MayBegin(4, 1, 0));
  EXPECT_FALSE(roll.MayBegin(5, 4, 0));
  EXPECT_TRUE(roll.MayBegin(5, 5, 0));
}

TEST(RollTest, AWindowMovesOnWithEachEnd) {
  const Roll roll({.total = 10, .width = 3});
  EXPECT_FALSE(roll.MayBegin(3, 0, 0));
  EXPECT_TRUE(roll.MayBegin(3, 1, 0));
  EXPECT_FALSE(roll.MayBegin(4, 1, 0));
}

TEST(RollTest, TooManyFailuresStopIt) {
  EXPECT_THAT(Rounds(Roll({.total = 9, .canary = 1, .most_failed = 0}), 0),
              ElementsAre(1));
  EXPECT_THAT(Rounds(Roll({.total = 9, .group = 2, .most_failed = 2}), 3),
              ElementsAre(2, 2, 2));
  const Roll roll({.total = 9, .width = 4, .most_failed = 1});
  EXPECT_TRUE(roll.MayBegin(4, 3, 1));
  EXPECT_FALSE(roll.MayBegin(4, 3, 2));
  EXPECT_TRUE(roll.Stopped(2));
}

TEST(RollTest, SharesAreNumbersOrPercent) {
  EXPECT_EQ(*ParseShare("0", 50), 0U);
  EXPECT_EQ(*ParseShare("7", 50), 7U);
  EXPECT_EQ(*ParseShare("10%", 50), 5U);
  EXPECT_EQ(*ParseShare("1%", 50), 1U);
  EXPECT_EQ(*ParseShare("0%", 50), 0U);
  EXPECT_EQ(*ParseShare("100%", 7), 7U);
  for (const char* odd :
       {"", "%", "-1", "1.5", "101%", "x", "5 %", "99999999999", "+3"}) {
    EXPECT_FALSE(ParseShare(odd, 50).ok()) << odd;
  }
}

}  // namespace
}  // namespace specula::ctl
