#include "agent/metrics/baseline.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using Shared = Baselines<int>;

constexpr absl::Duration kStart = absl::Hours(100);

absl::Duration At(int milliseconds) {
  return kStart + absl::Milliseconds(milliseconds);
}

Shared::Ref Take(int milliseconds) {
  return std::make_shared<const Sample<int>>(
      Sample<int>{At(milliseconds), milliseconds});
}

// The time of the sample that a rate up to `milliseconds` is taken against; -1
// without one.
int Base(const Shared::Ref& sample) {
  return sample == nullptr ? -1 : sample->value;
}

TEST(BaselineTest, FirstSampleHasNone) {
  for (const BaselinePolicy& policy : {kSharedPolicy, kOwnPolicy}) {
    Shared baselines(policy);
    EXPECT_EQ(baselines.Find(At(0)), nullptr);
    EXPECT_EQ(baselines.TimeUntilUsable(At(0)), absl::InfiniteDuration());
    EXPECT_EQ(baselines.Exchange(Take(0)), nullptr);
  }
}

TEST(BaselineTest, SharedWindowsAreFromTwoHundredMillisecondsToThreeSeconds) {
  Shared baselines(kSharedPolicy);
  baselines.Exchange(Take(0));
  const struct {
    int now;
    int base;
    absl::Duration until;
  } kCases[] = {
      {0, -1, absl::Milliseconds(200)}, {50, -1, absl::Milliseconds(150)},
      {199, -1, absl::Milliseconds(1)}, {200, 0, absl::ZeroDuration()},
      {3000, 0, absl::ZeroDuration()},  {3001, -1, absl::InfiniteDuration()},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Base(baselines.Find(At(test.now))), test.base) << test.now;
    EXPECT_EQ(baselines.TimeUntilUsable(At(test.now)), test.until) << test.now;
  }
}

TEST(BaselineTest, TheNewestThatIsOldEnoughServes) {
  Shared baselines(kSharedPolicy);
  for (int now : {0, 500, 1000, 1500}) baselines.Exchange(Take(now));
  EXPECT_EQ(Base(baselines.Find(At(1600))), 1000);
  EXPECT_EQ(Base(baselines.Find(At(1700))), 1500);
  EXPECT_EQ(Base(baselines.Find(At(4400))), 1500);
  EXPECT_EQ(Base(baselines.Find(At(4501))), -1);
  // A look at an earlier time does not see what came later.
  EXPECT_EQ(Base(baselines.Find(At(700))), 500);
}

TEST(BaselineTest, TheOldestOfTheTooYoungIsWaitedFor) {
  Shared baselines({absl::Milliseconds(200), absl::Milliseconds(600)});
  baselines.Exchange(Take(0));
  baselines.Exchange(Take(650));
  // The one of 0 is too old, that of 650 too young.
  EXPECT_EQ(baselines.TimeUntilUsable(At(700)), absl::Milliseconds(150));
}

TEST(BaselineTest, TwoPollersDoNotShortenEachOthersWindow) {
  Shared baselines(kSharedPolicy);
  // One asks every second, another 10 ms after each time it did, a third in a
  // tight loop.
  baselines.Exchange(Take(0));
  for (int second = 1; second <= 20; ++second) {
    const int now = second * 1000;
    const int base = Base(baselines.Exchange(Take(now)));
    EXPECT_GE(now - base, 200) << now;
    EXPECT_LE(now - base, 3000) << now;
    const int other = Base(baselines.Exchange(Take(now + 10)));
    EXPECT_GE(now + 10 - other, 200) << now;
    EXPECT_NE(other, -1);
    for (int busy = now + 20; busy < now + 1000; busy += 10) {
      const int found = Base(baselines.Exchange(Take(busy)));
      ASSERT_NE(found, -1) << busy;
      ASSERT_GE(busy - found, 200) << busy;
      // The tight loop leaves a sample each 200 ms, and the newest serves.
      ASSERT_LT(busy - found, busy >= 1400 ? 400 : 1400) << busy;
    }
  }
}

TEST(BaselineTest, AnExchangeOfTheSameMomentIsNoBaselineOfItself) {
  Shared baselines(kSharedPolicy);
  EXPECT_EQ(baselines.Exchange(Take(0)), nullptr);
  EXPECT_EQ(baselines.Exchange(Take(0)), nullptr);
  EXPECT_EQ(Base(baselines.Exchange(Take(300))), 0);
}

TEST(BaselineTest, SharedSamplesAreBounded) {
  Shared baselines(kSharedPolicy);
  std::vector<std::weak_ptr<const Sample<int>>> given;
  for (int now = 0; now < 60'000; now += 7) {
    Shared::Ref sample = Take(now);
    given.push_back(sample);
    baselines.Exchange(std::move(sample));
    size_t kept = 0;
    for (const auto& one : given) kept += one.expired() ? 0 : 1;
    ASSERT_LE(kept, 16u) << now;
    std::erase_if(given, [](const auto& one) { return one.expired(); });
  }
}

TEST(BaselineTest, OldSamplesAreForgotten) {
  Shared baselines(kSharedPolicy);
  baselines.Exchange(Take(0));
  EXPECT_EQ(baselines.Exchange(Take(10'000)), nullptr);
  EXPECT_EQ(Base(baselines.Exchange(Take(10'500))), 10'000);
}

TEST(BaselineTest, ASubscriberHasTheSampleBeforeHoweverNearOrFar) {
  Shared baselines(kOwnPolicy);
  EXPECT_EQ(baselines.Exchange(Take(0)), nullptr);
  EXPECT_EQ(baselines.TimeUntilUsable(At(0)), absl::ZeroDuration());
  EXPECT_EQ(Base(baselines.Exchange(Take(1))), 0);
  EXPECT_EQ(Base(baselines.Exchange(Take(3'600'000))), 1);
  EXPECT_EQ(Base(baselines.Exchange(Take(3'600'010))), 3'600'000);
}

TEST(BaselineTest, ASubscriberKeepsOneSample) {
  Shared baselines(kOwnPolicy);
  std::weak_ptr<const Sample<int>> last;
  for (int now = 0; now < 100; ++now) {
    Shared::Ref sample = Take(now);
    const std::weak_ptr<const Sample<int>> before = last;
    last = sample;
    baselines.Exchange(std::move(sample));
    EXPECT_TRUE(before.expired());
    EXPECT_FALSE(last.expired());
  }
}

}  // namespace
}  // namespace specula::agent
