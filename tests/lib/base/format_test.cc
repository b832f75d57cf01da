#include "lib/base/format.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace specula {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;
constexpr int64_t kTiB = 1024 * kGiB;
constexpr int64_t kPiB = 1024 * kTiB;

TEST(FormatTest, BytesHaveOneDecimalBelowTenAndNoneFromThere) {
  const struct {
    int64_t bytes;
    const char* text;
  } kCases[] = {
      {0, "0B"},
      {1, "1B"},
      {9, "9B"},
      {512, "512B"},
      {1023, "1023B"},
      {kKiB, "1.0KiB"},
      {1075, "1.0KiB"},
      {1076, "1.1KiB"},
      {1536, "1.5KiB"},
      {9 * kKiB, "9.0KiB"},
      // 9.949 and 9.950: what would print as 10.0 is 10.
      {10188, "9.9KiB"},
      {10189, "10KiB"},
      {10 * kKiB, "10KiB"},
      {10 * kKiB + 511, "10KiB"},
      {10 * kKiB + 513, "11KiB"},
      {999 * kKiB, "999KiB"},
      {1023 * kKiB, "1023KiB"},
      // 1023.49 and 1023.5 KiB: what rounds to 1024 takes the next unit.
      {1023 * kKiB + 501, "1023KiB"},
      {1023 * kKiB + 512, "1.0MiB"},
      {1023 * kKiB + 614, "1.0MiB"},
      {kMiB - 1, "1.0MiB"},
      {kMiB, "1.0MiB"},
      {int64_t{30} * kGiB, "30GiB"},
      {kGiB - 1, "1.0GiB"},
      {kGiB + kGiB / 5, "1.2GiB"},
      {kTiB - 1, "1.0TiB"},
      {kTiB * 3, "3.0TiB"},
      {kPiB - 1, "1.0PiB"},
      {kPiB, "1.0PiB"},
      {2000 * kPiB, "2000PiB"},
      {std::numeric_limits<int64_t>::max(), "8192PiB"},
      {-1, "0B"},
      {std::numeric_limits<int64_t>::min(), "0B"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(FormatBytes(test.bytes), test.text) << test.bytes;
  }
}

TEST(FormatTest, ElapsedHasItsTwoGreatestUnits) {
  const struct {
    absl::Duration elapsed;
    const char* text;
  } kCases[] = {
      {absl::ZeroDuration(), "0s"},
      {absl::Milliseconds(999), "0s"},
      {absl::Seconds(12), "12s"},
      {absl::Seconds(59), "59s"},
      {absl::Seconds(60), "1m00s"},
      {absl::Seconds(200), "3m20s"},
      {absl::Seconds(3599), "59m59s"},
      {absl::Seconds(3600), "1h00m"},
      {absl::Hours(5) + absl::Minutes(2) + absl::Seconds(59), "5h02m"},
      {absl::Hours(24) - absl::Seconds(1), "23h59m"},
      {absl::Hours(24), "1d0h"},
      {absl::Hours(41 * 24 + 3) + absl::Minutes(59), "41d3h"},
      {absl::Hours(24 * 10000), "10000d0h"},
      {-absl::Nanoseconds(1), "-"},
      {absl::InfiniteDuration(), "-"},
      {-absl::InfiniteDuration(), "-"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(FormatElapsed(test.elapsed), test.text) << test.elapsed;
  }
}

TEST(FormatTest, WhatMovesACursorOrALineIsEscaped) {
  const struct {
    std::string text;
    const char* safe;
  } kCases[] = {
      {"", ""},
      {"plain text, even \\n and \"quotes\"",
       "plain text, even \\n and \"quotes\""},
      {"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"},
      {"a\nb\tc\rd", "a\\nb\\tc\\x0dd"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\x1f\x20\x7e\x7f", "\\x1f ~\\x7f"},
      // C1: CSI and NEL as UTF-8, and as the single bytes of Latin-1.
      {"\xc2\x9b"
       "31m",
       "\\x9b31m"},
      {"\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0", "\\x80\\x85\\x9f\xc2\xa0"},
      {"\x9b"
       "31m",
       "\\x9b31m"},
      // Bidirectional marks, overrides and isolates.
      {"\u200e\u200f", "\\u200e\\u200f"},
      {"\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"},
      {"\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"},
      {"\u061c", "\\u061c"},
      {"\u2028\u2029", "\\u2028\\u2029"},
      // Their neighbours are harmless.
      {"\u200d\u2010\u2027\u202f\u2065\u206a\u061b\u061d",
       "\u200d\u2010\u2027\u202f\u2065\u206a\u061b\u061d"},
      // Letters of all lengths stay.
      {"é ß 漢字 😀 👩‍💻", "é ß 漢字 😀 👩‍💻"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(EscapeControls(test.text), test.safe);
  }
}

// Every kind of text that is not UTF-8, and how many bytes of it are wrong.
struct Malformed {
  std::string bytes;
  int wrong;
};

const Malformed kMalformed[] = {
    {"\xff", 1},
    {"\xfe", 1},
    {"\x80", 1},              // a continuation without a start
    {"\xbf\xbf", 2},          //
    {"\xc3", 1},              // cut
    {"\xe6\xbc", 2},          //
    {"\xf0\x9f\x98", 3},      //
    {"\xc0\x80", 2},          // overlong NUL
    {"\xc1\xbf", 2},          // overlong DEL
    {"\xe0\x80\x9b", 3},      // overlong C1
    {"\xe0\x9f\xbf", 3},      //
    {"\xf0\x80\x80\x9b", 4},  //
    {"\xf0\x8f\xbf\xbf", 4},  //
    {"\xed\xa0\x80", 3},      // surrogates
    {"\xed\xbf\xbf", 3},      //
    {"\xf4\x90\x80\x80", 4},  // beyond U+10FFFF
    {"\xf5\x80\x80\x80", 4},  //
    {"\xf8\x88\x80\x80\x80", 5},
};

TEST(FormatTest, EveryByteThatIsNotUtf8IsEscapedOnItsOwn) {
  for (const Malformed& test : kMalformed) {
    std::string wanted = "a";
    for (unsigned char byte : test.bytes) {
      absl::StrAppend(&wanted, "\\x", absl::Hex(byte, absl::kZeroPad2));
    }
    EXPECT_EQ(EscapeControls("a" + test.bytes + "z"), wanted + "z");
  }
}

TEST(FormatTest, EveryByteThatIsNotUtf8IsReplacedOnItsOwn) {
  for (const Malformed& test : kMalformed) {
    std::string wanted = "a";
    for (int i = 0; i < test.wrong; ++i) wanted += "\xef\xbf\xbd";
    EXPECT_EQ(ToUtf8("a" + test.bytes + "z"), wanted + "z");
    // The end of the text cuts as well.
    EXPECT_EQ(ToUtf8("a" + test.bytes), wanted);
  }
}

TEST(FormatTest, ValidUtf8StaysWhateverItSays) {
  const std::string kCases[] = {
      "",
      "text",
      std::string("\0\x1b\n\x7f", 4),
      "\u0080\u07ff\u0800\ud7ff\ue000\uffff",
      "\U00010000\U0010ffff",
      "\u202e",
      "😀",
  };
  for (const std::string& text : kCases) EXPECT_EQ(ToUtf8(text), text);
}

TEST(FormatTest, ValidUtf8IsCutBetweenCharacters) {
  EXPECT_EQ(ToUtf8("abc", 3), "abc");
  EXPECT_EQ(ToUtf8("abc", 2), "ab");
  EXPECT_EQ(ToUtf8("abc", 0), "");
  EXPECT_EQ(ToUtf8("a\xc3\xa9", 2), "a");
  EXPECT_EQ(ToUtf8("a\xc3\xa9", 3), "a\xc3\xa9");
  EXPECT_EQ(ToUtf8(std::string(4096, '\xff'), 4096).size(), 4095u);
}

TEST(FormatTest, AStartAfterACutSequenceIsRead) {
  EXPECT_EQ(ToUtf8("\xe6\xc3\xa9"), "\xef\xbf\xbd\xc3\xa9");
  EXPECT_EQ(EscapeControls("\xf0\x9f\x1b"), "\\xf0\\x9f\\x1b");
}

}  // namespace
}  // namespace specula
