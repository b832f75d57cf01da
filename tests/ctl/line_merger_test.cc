#include "ctl/line_merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kOutput = OutputStream::kOutput;
constexpr auto kError = OutputStream::kError;

TEST(LineMergerTest, LinesAreWholeAndHaveTheirHost) {
  LineMerger merger({"vm1", "vm2"}, {});
  EXPECT_EQ(merger.Feed(0, kOutput, "one\ntw"), "vm1: one\n");
  EXPECT_EQ(merger.Feed(1, kOutput, "x\n"), "vm2: x\n");
  EXPECT_EQ(merger.Feed(0, kError, "bad\n"), "vm1! bad\n");
  EXPECT_EQ(merger.Feed(0, kOutput, "o"), "");
  EXPECT_EQ(merger.Feed(0, kOutput, "\n\nlast"), "vm1: two\nvm1: \n");
  EXPECT_EQ(merger.Flush(0, kOutput), "vm1: last\n");
  EXPECT_EQ(merger.Flush(0, kOutput), "");
  EXPECT_EQ(merger.Flush(0, kError), "");
}

TEST(LineMergerTest, AnEndlessLineIsShownInParts) {
  LineMerger merger({"vm1"}, {.most_held_bytes = 4});
  EXPECT_EQ(merger.Feed(0, kOutput, "abcdefghij"), "vm1: abcd\nvm1: efgh\n");
  EXPECT_EQ(merger.Feed(0, kOutput, "kl"), "");
  EXPECT_EQ(merger.Feed(0, kOutput, "\n"), "vm1: ijkl\n");
  EXPECT_EQ(merger.Feed(0, kOutput, "mnop\nq\n"), "vm1: mnop\nvm1: q\n");
}

TEST(LineMergerTest, ATerminalGetsTextOnly) {
  LineMerger merger({"vm1"}, {.safe = true});
  EXPECT_EQ(merger.Feed(0, kOutput, "10%\r20%\r\n\033[31mred\033"),
            "vm1: 10%\nvm1: 20%\n");
  EXPECT_EQ(merger.Feed(0, kOutput, "[0m \033[2J\n"), "vm1: red \\x1b[2J\n");
  EXPECT_EQ(merger.Feed(0, kOutput, "cut\xe2\x82"), "");
  EXPECT_EQ(merger.Flush(0, kOutput), "vm1: cut\\xe2\\x82\n");
}

TEST(LineMergerTest, ElsewhereBytesAreAsTheyAre) {
  LineMerger merger({"vm1"}, {});
  EXPECT_EQ(merger.Feed(0, kOutput, absl::string_view("\033[2J\0\xff\r\n", 8)),
            absl::string_view("vm1: \033[2J\0\xff\r\n", 13));
}

TEST(LineMergerTest, EachHostKeepsItsColourAndErrorsStandOut) {
  LineMerger merger({"vm1", "vm2"}, {.safe = true, .colours = true});
  const std::string first = merger.Feed(0, kOutput, "a\n");
  EXPECT_EQ(first, merger.Feed(0, kOutput, "a\n"));
  EXPECT_THAT(first, HasSubstr("mvm1\033[0m: a\n"));
  EXPECT_NE(first.substr(0, 5), merger.Feed(1, kOutput, "a\n").substr(0, 5));
  EXPECT_THAT(merger.Feed(0, kError, "a\n"), HasSubstr("\033[31m!\033[0m a\n"));
}

TEST(LineMergerTest, OnlyLinesThatAreToBeKeptAreShown) {
  LineMerger merger({"vm1"},
                    {.prefix = false, .keep = [](absl::string_view line) {
                       return line == "yes" || line.empty();
                     }});
  EXPECT_EQ(merger.Feed(0, kOutput, "no\nye"), "");
  EXPECT_EQ(merger.Feed(0, kOutput, "s\n\nyes!\nyes"), "yes\n\n");
  EXPECT_EQ(merger.Flush(0, kOutput), "yes\n");
}

TEST(LineMergerTest, AHostileNameIsHarmless) {
  LineMerger merger({"a\033[2J"}, {});
  EXPECT_THAT(merger.Feed(0, kOutput, "x\n"), Not(HasSubstr("\033")));
}

// However chunks fall, each host's lines come out as they went in.
TEST(LineMergerTest, NothingIsLostOrMixed) {
  std::mt19937 random(7);
  constexpr size_t kHosts = 5;
  std::vector<std::string> names;
  std::vector<std::string> sent(kHosts);
  for (size_t i = 0; i < kHosts; ++i) names.push_back(absl::StrCat("h", i));
  LineMerger merger(names, {});
  std::string merged;
  for (int round = 0; round < 3000; ++round) {
    const size_t host = random() % kHosts;
    std::string chunk;
    for (size_t i = random() % 20; i > 0; --i) {
      chunk += random() % 6 == 0 ? '\n' : static_cast<char>('a' + host);
    }
    sent[host] += chunk;
    merged += merger.Feed(host, kOutput, chunk);
  }
  std::vector<std::string> got(kHosts);
  for (size_t i = 0; i < kHosts; ++i) {
    merged += merger.Flush(i, kOutput);
    if (!sent[i].empty() && sent[i].back() != '\n') sent[i] += '\n';
  }
  for (absl::string_view line :
       absl::StrSplit(absl::StripSuffix(merged, "\n"), '\n')) {
    const size_t host = static_cast<size_t>(line[1] - '0');
    absl::StrAppend(&got[host], line.substr(4), "\n");
  }
  EXPECT_EQ(got, sent);
}

}  // namespace
}  // namespace specula::ctl
