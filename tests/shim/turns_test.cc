#include "shim/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace specula::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Turns::Bounds kBounds = {
    .bytes_per_second = 1000,
    .burst_bytes = 2000,
    .most_open = std::numeric_limits<size_t>::max(),
    .most_waiting_bytes = 1 << 20};

class TurnsTest : public ::testing::Test {
 protected:
  std::optional<Turns::Id> Join(const std::string& who, size_t bytes,
                                const std::string& name) {
    return turns_.Join(
        who, bytes, [this, name] { came_.push_back(name); }, now_);
  }
  // Lets so much time pass, in the steps that Advance asks for.
  void Pass(absl::Duration time) {
    const absl::Duration end = now_ + time;
    for (int i = 0; now_ < end && i < 100000; ++i) {
      const absl::Duration next =
          std::max(turns_.Advance(now_), absl::Milliseconds(1));
      now_ = std::min(now_ + next, end);
    }
    turns_.Advance(now_);
  }

  absl::Duration now_ = absl::Hours(1);
  Turns turns_{kBounds};
  std::vector<std::string> came_;
};

TEST_F(TurnsTest, BurstGoesAtOnceAndTheRestAtItsPace) {
  for (int i = 0; i < 4; ++i) Join("a", 1000, absl::StrCat(i));
  EXPECT_THAT(came_, ElementsAre("0", "1"));
  EXPECT_FALSE(turns_.is_empty());
  Pass(absl::Seconds(0.9));
  EXPECT_THAT(came_, ElementsAre("0", "1"));
  Pass(absl::Seconds(0.2));
  EXPECT_THAT(came_, ElementsAre("0", "1", "2"));
  Pass(absl::Seconds(1));
  EXPECT_THAT(came_, ElementsAre("0", "1", "2", "3"));
  EXPECT_TRUE(turns_.is_empty());
  EXPECT_EQ(turns_.Advance(now_), absl::InfiniteDuration());
}

TEST_F(TurnsTest, LongOnesOfOneDoNotHoldUpAnother) {
  for (int i = 0; i < 100; ++i) Join("a", 2000, absl::StrCat("a", i));
  EXPECT_EQ(came_.size(), 1u);
  came_.clear();
  // They would take 200 s.
  for (int i = 0; i < 10; ++i) {
    Join("b", 10, absl::StrCat("b", i));
    Pass(absl::Milliseconds(25));
    EXPECT_THAT(came_, ElementsAre(absl::StrCat("b", i)));
    came_.clear();
  }
}

TEST_F(TurnsTest, LongOnesOfOneDoNotHoldUpItsShortOnesForLong) {
  for (int i = 0; i < 100; ++i) Join("a", 2000, absl::StrCat("a", i));
  came_.clear();
  Join("a", 10, "short");
  Pass(absl::Milliseconds(25));
  EXPECT_THAT(came_, ElementsAre("short"));
  // Nor do short ones hold up a long one for ever.
  came_.clear();
  for (int i = 0; i < 300; ++i) {
    Join("a", 20, "short");
    Pass(absl::Milliseconds(20));
  }
  EXPECT_GE(
      std::count_if(came_.begin(), came_.end(),
                    [](const std::string& name) { return name != "short"; }),
      1);
}

TEST_F(TurnsTest, WhatThereIsIsDividedAmongControllers) {
  Join("x", 2000, "x");
  came_.clear();
  for (int i = 0; i < 100; ++i) Join("a", 100, "a");
  for (int i = 0; i < 10; ++i) Join("b", 1000, "b");
  Pass(absl::Seconds(10.01));
  // 10 s, 10,000 bytes: the half of each.
  EXPECT_NEAR(std::count(came_.begin(), came_.end(), "a"), 50, 10);
  EXPECT_NEAR(std::count(came_.begin(), came_.end(), "b"), 5, 1);
  Pass(absl::Seconds(10));
  EXPECT_EQ(came_.size(), 110u);
  EXPECT_TRUE(turns_.is_empty());
}

TEST_F(TurnsTest, NeverMoreThanThePaceInAll) {
  Join("x", 2000, "x");
  came_.clear();
  for (int i = 0; i < 50; ++i) {
    for (const char* who : {"a", "b", "c"}) Join(who, 300, who);
  }
  Pass(absl::Seconds(9.99));
  EXPECT_LE(came_.size() * 300, 10000u);
  EXPECT_GE(came_.size() * 300, 9000u);
  // What was not used is not saved beyond the burst.
  came_.clear();
  Pass(absl::Seconds(40));
  EXPECT_TRUE(turns_.is_empty());
  now_ += absl::Hours(1);
  for (int i = 0; i < 20; ++i) Join("d", 300, "d");
  turns_.Advance(now_);
  EXPECT_EQ(std::count(came_.begin(), came_.end(), "d"), 6);
  Pass(absl::Seconds(5));
}

TEST_F(TurnsTest, OneThatIsLongerThanTheBurstGoesAllTheSame) {
  Join("a", 5000, "long");
  Join("b", 1000, "short");
  EXPECT_THAT(came_, IsEmpty());
  turns_.Advance(now_);
  // What it owes is paid before the next one goes.
  Pass(absl::Seconds(1.1));
  EXPECT_THAT(came_, ElementsAre("short", "long"));
  Join("b", 1000, "next");
  Pass(absl::Seconds(3.8));
  EXPECT_EQ(came_.size(), 2u);
  Pass(absl::Seconds(0.3));
  EXPECT_EQ(came_.size(), 3u);
}

TEST_F(TurnsTest, WhoLeavesWhileHeWaitsHasPaidNothing) {
  Join("x", 2000, "x");
  const auto gone = Join("a", 2000, "gone");
  ASSERT_TRUE(gone.has_value());
  Pass(absl::Seconds(1));
  turns_.Leave("a", *gone);
  EXPECT_TRUE(turns_.is_empty());
  Join("b", 1000, "b");
  EXPECT_THAT(came_, ElementsAre("x", "b"));
}

TEST_F(TurnsTest, OnlySoMuchWaits) {
  Turns turns({.bytes_per_second = 1000,
               .burst_bytes = 2000,
               .most_open = std::numeric_limits<size_t>::max(),
               .most_waiting_bytes = 10000});
  turns.Join(
      "x", 2000, [] {}, now_);
  EXPECT_TRUE(turns
                  .Join(
                      "a", 3000, [] {}, now_)
                  .has_value());
  EXPECT_TRUE(turns
                  .Join(
                      "a", 2000, [] {}, now_)
                  .has_value());
  EXPECT_FALSE(turns
                   .Join(
                       "a", 1, [] {}, now_)
                   .has_value());
  const auto other = turns.Join(
      "b", 2000, [] {}, now_);
  EXPECT_TRUE(other.has_value());
  turns.Leave("b", *other);
  EXPECT_TRUE(turns
                  .Join(
                      "b", 2000, [] {}, now_)
                  .has_value());
}

TEST_F(TurnsTest, OnlySoManyAreOpenAndOthersGoMeanwhile) {
  Turns turns({.bytes_per_second = 1000,
               .burst_bytes = 2000,
               .most_open = 4,
               .most_waiting_bytes = 10000});
  int of_a = 0;
  int of_b = 0;
  std::vector<Turns::Id> ids;
  for (int i = 0; i < 10; ++i) {
    ids.push_back(*turns.Join(
        "a", 1, [&] { ++of_a; }, now_));
  }
  turns.Advance(now_);
  EXPECT_EQ(of_a, 2);
  turns.Join(
      "b", 1, [&] { ++of_b; }, now_);
  turns.Advance(now_);
  EXPECT_EQ(of_b, 1);
  // What is to come is said once there is room.
  EXPECT_EQ(turns.Advance(now_), absl::InfiniteDuration());
  turns.Leave("a", ids[0]);
  turns.Advance(now_);
  EXPECT_EQ(of_a, 3);
  EXPECT_EQ(of_b, 1);
}

}  // namespace
}  // namespace specula::shim
