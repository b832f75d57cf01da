#include "shim/holdings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace specula::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HoldingsTest : public ::testing::Test {
 protected:
  using Member = std::unique_ptr<Holdings::Member>;
  Member Make(const std::string& owner, const std::string& name) {
    auto member = std::make_unique<Holdings::Member>(
        holdings_, [this, name] { asked_.push_back(name); });
    member->SetOwner(owner);
    return member;
  }

  Holdings holdings_{1000};
  std::vector<std::string> asked_;
  absl::Duration now_ = absl::Hours(1);
};

TEST_F(HoldingsTest, SumsUpWhatAllHold) {
  Member a = Make("x", "a");
  const Member b = Make("y", "b");
  a->Set(400, now_);
  b->Set(600, now_);
  EXPECT_EQ(holdings_.total(), 1000u);
  b->Set(100, now_);
  EXPECT_EQ(holdings_.total(), 500u);
  a.reset();
  EXPECT_EQ(holdings_.total(), 100u);
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(HoldingsTest, LargestOfTheControllerWithTheMostGoesFirst) {
  const Member honest = Make("x", "honest");
  const Member small = Make("y", "small");
  const Member large = Make("y", "large");
  honest->Set(400, now_);
  small->Set(250, now_);
  large->Set(300, now_);
  EXPECT_THAT(asked_, IsEmpty());
  small->Set(301, now_);
  EXPECT_THAT(asked_, ElementsAre("small"));
  EXPECT_EQ(holdings_.total(), 700u);
  // Once, however much more it takes until it is gone.
  small->Set(5000, now_);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(HoldingsTest, OfEqualsTheOldestGoesFirst) {
  const Member first = Make("x", "first");
  const Member second = Make("x", "second");
  const Member third = Make("x", "third");
  second->Set(400, now_);
  first->Set(400, now_ + absl::Milliseconds(1));
  third->Set(400, now_ + absl::Milliseconds(2));
  EXPECT_THAT(asked_, ElementsAre("second"));
}

TEST_F(HoldingsTest, WhoMovesIsSparedWhereOthersDoNot) {
  const Member busy = Make("x", "busy");
  const Member sleeper = Make("y", "sleeper");
  busy->Set(600, now_);
  sleeper->Set(100, now_);
  now_ += absl::Seconds(2);
  busy->Set(500, now_);
  busy->Set(950, now_);
  EXPECT_THAT(asked_, ElementsAre("sleeper"));
  // Where all move the largest goes.
  busy->Set(1001, now_);
  EXPECT_THAT(asked_, ElementsAre("sleeper", "busy"));
}

TEST_F(HoldingsTest, AsManyGoAsMust) {
  std::vector<Member> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(Make("x", std::to_string(i)));
    all.back()->Set(100, now_ + absl::Milliseconds(i));
  }
  const Member other = Make("y", "other");
  other->Set(250, now_ + absl::Milliseconds(20));
  EXPECT_THAT(asked_, ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace specula::shim
