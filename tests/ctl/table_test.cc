#include "ctl/table.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kLeft = Table::Align::kLeft;
constexpr auto kRight = Table::Align::kRight;

Table HostAndNumber() { return Table({{"HOST", kLeft}, {"CPU%", kRight}}); }

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"HOST", kLeft}, {"N", kRight}, {"NOTE"}});
  table.Add({"a", "1", "x"});
  table.Add({"longer-name", "12345", "y"});
  EXPECT_EQ(table.Render(),
            "HOST             N  NOTE\n"
            "a                1  x\n"
            "longer-name  12345  y\n");
}

TEST(TableTest, TitlesCountAndStandAlone) {
  EXPECT_EQ(HostAndNumber().Render(), "HOST  CPU%\n");
  Table table = HostAndNumber();
  table.Add({"a", "1"});
  EXPECT_EQ(table.Render(),
            "HOST  CPU%\n"
            "a        1\n");
}

TEST(TableTest, MissingCellsAreEmptyAndLinesHaveNoTrailingSpaces) {
  Table table({{"A", kLeft}, {"B", kLeft}, {"C", kLeft}});
  table.Add({"1"});
  table.Add({"1", "", ""});
  table.Add({"", "2", "  "});
  table.Add({});
  table.Add({"1", "2", "3", "4"});
  EXPECT_EQ(table.Render(),
            "A  B  C\n"
            "1\n"
            "1\n"
            "   2\n"
            "\n"
            "1  2  3\n");
}

TEST(TableTest, WideAndCombiningCharactersKeepTheColumns) {
  Table table({{"HOST", kLeft}, {"B", kRight}});
  table.Add({"漢字", "1"});
  table.Add({"cafe\u0301", "2"});
  table.Add({"plain", "3"});
  table.Add({"🚀😀", "漢"});
  EXPECT_EQ(table.Render(),
            "HOST    B\n"
            "漢字    1\n"
            "cafe\u0301    2\n"
            "plain   3\n"
            "🚀😀   漢\n");
}

TEST(TableTest, CellsCannotMoveTheCursor) {
  Table table({{"HOST", kLeft}, {"COMMAND", kLeft}});
  table.Add({"vm1", "\x1b[2Jx\nforged  row\r"});
  table.AddNote({"vm2\n", "\x1b]0;title\x07\u202e"});
  const std::string text = table.Render();
  EXPECT_EQ(text,
            "HOST   COMMAND\n"
            "vm1    \\x1b[2Jx\\nforged  row\\x0d\n"
            "vm2\\n  \\x1b]0;title\\x07\\u202e\n");
}

TEST(TableTest, NotesDoNotWidenTheColumnTheyStandIn) {
  Table table({{"HOST", kLeft}, {"CPU%", kRight}, {"MEM", kRight}});
  table.Add({"vm1", "1.5", "2.0"});
  table.AddNote(
      {"a-longer-host", "unreachable: connection refused; is it up?"});
  EXPECT_EQ(table.Render(),
            "HOST           CPU%  MEM\n"
            "vm1             1.5  2.0\n"
            "a-longer-host  unreachable: connection refused; is it up?\n");
}

TEST(TableTest, LinesAreCutAndNotesAreNot) {
  Table table({{"HOST", kLeft}, {"COMMAND", kLeft}});
  table.Add({"vm1", "abcdefgh"});
  table.AddNote({"vm2", "the end of this matters"});
  EXPECT_EQ(table.Render(10),
            "HOST  COMM\n"
            "vm1   abcd\n"
            "vm2   the end of this matters\n");
  EXPECT_EQ(table.Render(14),
            "HOST  COMMAND\n"
            "vm1   abcdefgh\n"
            "vm2   the end of this matters\n");
  // What is left after a cut has no trailing spaces either.
  EXPECT_EQ(table.Render(5),
            "HOST\n"
            "vm1\n"
            "vm2   the end of this matters\n");
  EXPECT_EQ(table.Render(0), "\n\nvm2   the end of this matters\n");
}

TEST(TableTest, WidthIsThatOfATerminal) {
  const struct {
    const char* text;
    size_t width;
  } kCases[] = {
      {"", 0},     {"abc", 3},      {"é", 1},       {"e\u0301", 1},
      {"漢字", 4}, {"한글", 4},     {"ＡＢ", 4},    {"ｱ", 1},  // half-width
      {"、", 2},   {"😀", 2},        {"🚀", 2},       {"🤖", 2},
      {"🪐", 2}, {"a\u200db", 2}, {"❤\ufe0f", 1}, {"𠀀", 2},
      {"ж", 1},    {"ש\u05b8", 1},  {"𝄞", 1},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(DisplayWidth(test.text), test.width) << test.text;
  }
}

TEST(TableTest, CutsBetweenCharacters) {
  const struct {
    const char* text;
    size_t width;
    const char* cut;
  } kCases[] = {
      {"abc", 0, ""},    {"abc", 2, "ab"},
      {"abc", 3, "abc"}, {"abc", 9, "abc"},
      {"漢字", 1, ""},   {"漢字", 2, "漢"},
      {"漢字", 3, "漢"}, {"漢字", 4, "漢字"},
      {"é́x", 1, "é́"},  // what combines stays with its letter
      {"a😀b", 2, "a"},   {"a😀b", 3, "a😀"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(CutToWidth(test.text, test.width), test.cut)
        << test.text << " at " << test.width;
  }
}

}  // namespace
}  // namespace specula::ctl
