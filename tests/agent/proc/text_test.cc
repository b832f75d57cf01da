#include "agent/proc/text.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(TextTest, LastLineNeedsNoNewline) {
  absl::string_view text = "a\n\nb", line;
  std::vector<std::string> lines;
  while (TakeLine(&text, &line)) lines.emplace_back(line);
  EXPECT_THAT(lines, ElementsAre("a", "", "b"));
}

TEST(TextTest, NewlineAtTheEndBeginsNoLine) {
  absl::string_view text = "a\n", line;
  EXPECT_TRUE(TakeLine(&text, &line));
  EXPECT_FALSE(TakeLine(&text, &line));
}

TEST(TextTest, FieldsArePartedByAnyBlanks) {
  absl::string_view line = "  a\t b  ";
  EXPECT_EQ(TakeField(&line), "a");
  EXPECT_EQ(TakeField(&line), "b");
  EXPECT_EQ(TakeField(&line), "");
}

TEST(TextTest, TextIsTakenUntilTheSeparatorOrTheEnd) {
  absl::string_view text = "a::b";
  EXPECT_EQ(TakeUntil(&text, ':'), "a");
  EXPECT_EQ(TakeUntil(&text, ':'), "");
  EXPECT_EQ(TakeUntil(&text, ':'), "b");
  EXPECT_EQ(TakeUntil(&text, ':'), "");
}

TEST(TextTest, CountsAreCutToTheirRange) {
  struct Case {
    absl::string_view text;
    int64_t count;
  };
  for (const Case& c : {
           Case{"0", 0},
           Case{"0042", 42},
           Case{"9223372036854775806", kMost - 1},
           Case{"9223372036854775807", kMost},
           Case{"9223372036854775808", kMost},
           Case{"18446744073709551615", kMost},
           Case{"18446744073709551617", kMost},
           Case{"99999999999999999999999999999999999999999999", kMost},
           Case{"-1", 0},
           Case{"-99999999999999999999999999", 0},
       }) {
    int64_t count = -7;
    EXPECT_TRUE(ParseCount(c.text, &count)) << c.text;
    EXPECT_EQ(count, c.count) << c.text;
  }
}

TEST(TextTest, CountsAreCutToTheRangeOfInt) {
  int count = 0;
  EXPECT_TRUE(ParseCount("2147483646", &count));
  EXPECT_EQ(count, 2147483646);
  EXPECT_TRUE(ParseCount("4294967297", &count));
  EXPECT_EQ(count, 2147483647);
}

TEST(TextTest, WhatIsNoCountIsRefused) {
  for (absl::string_view text : {"", " ", "-", "--1", "+1", "1x", "x1", "1.5",
                                 "0x10", "1-", "1 ", "1 2"}) {
    int64_t count = -7;
    EXPECT_FALSE(ParseCount(text, &count)) << text;
    EXPECT_EQ(count, -7) << text;
  }
}

TEST(TextTest, LineStaysWhereACountIsRefused) {
  absl::string_view line = "12 x 7";
  int64_t count = 0;
  EXPECT_TRUE(TakeCount(&line, &count));
  EXPECT_FALSE(TakeCount(&line, &count));
  EXPECT_EQ(TakeField(&line), "x");
  EXPECT_TRUE(TakeCount(&line, &count));
  EXPECT_EQ(count, 7);
}

TEST(TextTest, OnlyFiniteDecimalsFromZeroOnAreTaken) {
  double number = -7;
  EXPECT_TRUE(ParseDecimal("12.25", &number));
  EXPECT_EQ(number, 12.25);
  for (absl::string_view text :
       {"", "-1", "nan", "inf", "infinity", "1e3", "1.0x", " 1", "0x1", "."}) {
    number = -7;
    EXPECT_FALSE(ParseDecimal(text, &number)) << text;
    EXPECT_EQ(number, -7) << text;
  }
  EXPECT_FALSE(ParseDecimal(std::string(400, '9'), &number));
}

}  // namespace
}  // namespace specula::agent
