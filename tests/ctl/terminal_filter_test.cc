#include "ctl/terminal_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

std::string Show(absl::string_view bytes) {
  TerminalFilter filter;
  const std::string text = filter.Feed(bytes);
  return absl::StrCat(text, filter.Flush());
}

TEST(TerminalFilterTest, TextStays) {
  EXPECT_EQ(Show("a b\tc\nd\n"), "a b\tc\nd\n");
  EXPECT_EQ(Show("h\xc3\xa4, \xe2\x82\xac, \xf0\x9f\x98\x80"),
            "h\xc3\xa4, \xe2\x82\xac, \xf0\x9f\x98\x80");
  EXPECT_EQ(Show(""), "");
}

TEST(TerminalFilterTest, CarriageReturnsBecomeLines) {
  EXPECT_EQ(Show("a\r\nb\r\n"), "a\nb\n");
  EXPECT_EQ(Show("a\r\r\nb"), "a\nb");
  EXPECT_EQ(Show("10%\r20%\r"), "10%\n20%\n");
}

TEST(TerminalFilterTest, ColoursAreDropped) {
  EXPECT_EQ(Show("\033[1;31mred\033[0m\033[m."), "red.");
  EXPECT_EQ(Show("\033[38:5:1mx"), "x");
}

TEST(TerminalFilterTest, WhatMovesTheCursorIsShownNotDone) {
  EXPECT_EQ(Show("\033[2J\033[H"), "\\x1b[2J\\x1b[H");
  EXPECT_EQ(Show("\033]0;title\a"), "\\x1b]0;title\\x07");
  EXPECT_EQ(Show("\033[?25l"), "\\x1b[?25l");
  EXPECT_EQ(Show("a\bb\x7f\f\v"), "a\\x08b\\x7f\\x0c\\x0b");
  EXPECT_EQ(Show("\xc2\x9b"
                 "2J"),
            "\\x9b2J");
  EXPECT_EQ(Show("\033"), "\\x1b");
  EXPECT_EQ(Show("\033[12"), "\\x1b[12");
  EXPECT_EQ(Show(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Show("\xe2\x80\xae"
                 "evil"),
            "\\u202eevil");
}

TEST(TerminalFilterTest, BytesThatAreNotUtf8AreShown) {
  EXPECT_EQ(Show("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(Show("\xe2\x82"), "\\xe2\\x82");
}

TEST(TerminalFilterTest, CutsBetweenChunksMakeNoDifference) {
  const std::string bytes =
      "h\xc3\xa4 \xe2\x82\xac\xf0\x9f\x98\x80 "
      "\033[1;31mred\033[0m\r\nx\ry\r\r\n"
      "\033[2J\xff\xc2\x9b\033]0;t\a\xe2\x82";
  const std::string whole = Show(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    TerminalFilter filter;
    std::string text = filter.Feed(bytes.substr(0, cut));
    text += filter.Feed(bytes.substr(cut));
    text += filter.Flush();
    EXPECT_EQ(text, whole) << cut;
  }
  TerminalFilter filter;
  std::string text;
  for (char c : bytes) text += filter.Feed(std::string(1, c));
  EXPECT_EQ(text + filter.Flush(), whole);
}

TEST(TerminalFilterTest, HoldsLittleWhateverComes) {
  TerminalFilter filter;
  std::string bytes = "\033[" + std::string(100000, '1');
  EXPECT_GT(filter.Feed(bytes).size(), 99000U);
}

TEST(TerminalFilterTest, NothingButTextEverComesOut) {
  std::mt19937 random(1);
  const std::string alphabet = "\033[[]0;m\r\n\ta\xc2\x9b\xe2\x80\xae\xff\a?H";
  for (int round = 0; round < 2000; ++round) {
    TerminalFilter filter;
    std::string text;
    for (int chunk = 0; chunk < 4; ++chunk) {
      std::string bytes;
      for (size_t i = random() % 12; i > 0; --i) {
        bytes += alphabet[random() % alphabet.size()];
      }
      text += filter.Feed(bytes);
    }
    text += filter.Flush();
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      EXPECT_TRUE(byte == '\n' || byte == '\t' ||
                  (byte >= 0x20 && byte < 0x7f) || byte >= 0x80);
    }
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  }
}

}  // namespace
}  // namespace specula::ctl
