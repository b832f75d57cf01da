#include "shim/penalty.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace specula::shim {
namespace {

constexpr absl::Duration kNow = absl::Hours(1);

TEST(PenaltyTest, GrowsUpToTwoSeconds) {
  Penalties penalties;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(penalties.Fail("a", kNow), absl::ZeroDuration());
  }
  for (int milliseconds : {100, 200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_EQ(penalties.Fail("a", kNow), absl::Milliseconds(milliseconds));
  }
  for (int i = 0; i < 10000; ++i) penalties.Fail("a", kNow);
  EXPECT_EQ(penalties.Fail("a", kNow), absl::Seconds(2));
}

TEST(PenaltyTest, OfOneSourceIsNobodyElses) {
  Penalties penalties;
  for (int i = 0; i < 100; ++i) penalties.Fail("a", kNow);
  EXPECT_EQ(penalties.Fail("b", kNow), absl::ZeroDuration());
}

TEST(PenaltyTest, IsForgivenAfterAMinuteWithoutFailure) {
  Penalties penalties;
  for (int i = 0; i < 100; ++i) penalties.Fail("a", kNow);
  EXPECT_EQ(penalties.Fail("a", kNow + absl::Seconds(59)), absl::Seconds(2));
  EXPECT_EQ(penalties.Fail("a", kNow + absl::Seconds(119)),
            absl::ZeroDuration());
}

TEST(PenaltyTest, RemembersABoundedNumberOfSources) {
  Penalties penalties;
  for (int i = 0; i < 100000; ++i) penalties.Fail(absl::StrCat(i), kNow);
  EXPECT_LE(penalties.size(), 4096u);
}

}  // namespace
}  // namespace specula::shim
