#include "lib/base/token_bucket.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace specula {
namespace {

constexpr absl::Duration kStart = absl::Hours(1000);

TEST(TokenBucketTest, BurstIsThereAtOnceAndNoMore) {
  TokenBucket bucket(2, 3);
  EXPECT_TRUE(bucket.Take(1, kStart));
  EXPECT_TRUE(bucket.Take(1, kStart));
  EXPECT_TRUE(bucket.Take(1, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart));
}

TEST(TokenBucketTest, RefillsAtItsRate) {
  TokenBucket bucket(2, 3);
  ASSERT_TRUE(bucket.Take(3, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart + absl::Milliseconds(400)));
  // What was refilled in between is not lost by asking.
  EXPECT_TRUE(bucket.Take(1, kStart + absl::Milliseconds(500)));
  EXPECT_FALSE(bucket.Take(0.5, kStart + absl::Milliseconds(700)));
  EXPECT_TRUE(bucket.Take(0.5, kStart + absl::Milliseconds(750)));
}

TEST(TokenBucketTest, NeverHoldsMoreThanTheBurst) {
  TokenBucket bucket(2, 3);
  ASSERT_TRUE(bucket.Take(3, kStart));
  EXPECT_FALSE(bucket.Take(3.5, kStart + absl::Hours(1)));
  EXPECT_TRUE(bucket.Take(3, kStart + absl::Hours(1)));
  EXPECT_FALSE(bucket.Take(0.1, kStart + absl::Hours(1)));
}

TEST(TokenBucketTest, ARefusalTakesNothing) {
  TokenBucket bucket(0, 3);
  EXPECT_FALSE(bucket.Take(4, kStart));
  EXPECT_TRUE(bucket.Take(3, kStart));
}

TEST(TokenBucketTest, TimeThatRunsBackGivesAndTakesNothing) {
  TokenBucket bucket(1, 2);
  ASSERT_TRUE(bucket.Take(1, kStart));
  EXPECT_FALSE(bucket.Take(1.5, kStart - absl::Seconds(10)));
  EXPECT_TRUE(bucket.Take(1, kStart - absl::Seconds(10)));
}

}  // namespace
}  // namespace specula
