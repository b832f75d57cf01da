#include "ctl/quantity.h"

#include <gtest/gtest.h>

namespace specula::ctl {
namespace {

TEST(QuantityTest, TimesWithAndWithoutUnit) {
  EXPECT_EQ(*ParseQuantityOfTime("2"), absl::Seconds(2));
  EXPECT_EQ(*ParseQuantityOfTime("2s"), absl::Seconds(2));
  EXPECT_EQ(*ParseQuantityOfTime("0.5"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseQuantityOfTime("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseQuantityOfTime("1.5m"), absl::Seconds(90));
  EXPECT_EQ(*ParseQuantityOfTime("1h"), absl::Hours(1));
  EXPECT_EQ(*ParseQuantityOfTime("30d"), absl::Hours(720));
  EXPECT_EQ(*ParseQuantityOfTime("366d"), absl::Hours(24 * 366));
  EXPECT_EQ(ParseQuantityOfTime("400d").status().message(),
            "'400d' is no length of time for this: it may be 366d at most");
  EXPECT_EQ(*ParseQuantityOfTime("0"), absl::ZeroDuration());
}

TEST(QuantityTest, WhatIsNoTimeIsRefused) {
  for (const char* text : {"", "s", "-1", "1w", "1 s", "1e3", "inf", "nan",
                           "0x10", "1.2.3", "99999999h", "1sx", "."}) {
    EXPECT_FALSE(ParseQuantityOfTime(text).ok()) << text;
  }
}

TEST(QuantityTest, BytesByPowersOf1024) {
  EXPECT_EQ(*ParseQuantityOfBytes("4096"), 4096);
  EXPECT_EQ(*ParseQuantityOfBytes("64K"), 64 << 10);
  EXPECT_EQ(*ParseQuantityOfBytes("64KiB"), 64 << 10);
  EXPECT_EQ(*ParseQuantityOfBytes("1.5M"), 3 << 19);
  EXPECT_EQ(*ParseQuantityOfBytes("2G"), int64_t{2} << 30);
}

TEST(QuantityTest, WhatIsNoNumberOfBytesIsRefused) {
  for (const char* text :
       {"", "K", "-1", "1T", "1k", "1 M", "1e6", "9999999999999999999G"}) {
    EXPECT_FALSE(ParseQuantityOfBytes(text).ok()) << text;
  }
}

}  // namespace
}  // namespace specula::ctl
