#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::HasSubstr;

// Fields 3 to 26, each with its own number where one can have it.
constexpr absl::string_view kFields =
    " S 4 5 6 7 -1 4194304 10 11 12 13 14 15 16 17 20 -19 20 0 22 23 24 "
    "18446744073709551615 26\n";

TEST(ParseProcessStatTest, EachColumnHasItsField) {
  auto stat = ParseProcessStat(absl::StrCat("1 (bash)", kFields));
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->pid, 1);
  EXPECT_EQ(stat->name, "bash");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent_pid, 4);
  EXPECT_EQ(stat->user_ticks, 14);
  EXPECT_EQ(stat->system_ticks, 15);
  EXPECT_EQ(stat->threads, 20);
  EXPECT_EQ(stat->start_ticks, 22);
  EXPECT_EQ(stat->resident_pages, 24);
  EXPECT_FALSE(stat->kernel_thread);
}

TEST(ParseProcessStatTest, NameMayHoldAnything) {
  for (const std::string& name :
       {std::string("a) b (c"), std::string(") R 1 ("),
        std::string("new\nline"), std::string("\n"), std::string(")"),
        std::string("("), std::string(")))"), std::string("(sd-pam)"),
        std::string(""), std::string("  "), std::string("\xff\xfe"),
        std::string("nul\0led", 7),
        std::string("x) Z 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9")}) {
    auto stat = ParseProcessStat(absl::StrCat("17 (", name, ")", kFields));
    ASSERT_TRUE(stat.ok()) << name;
    EXPECT_EQ(stat->pid, 17) << name;
    EXPECT_EQ(stat->name, name);
    EXPECT_EQ(stat->state, 'S') << name;
    EXPECT_EQ(stat->parent_pid, 4) << name;
    EXPECT_EQ(stat->start_ticks, 22) << name;
    EXPECT_EQ(stat->resident_pages, 24) << name;
  }
}

TEST(ParseProcessStatTest, KernelThreadIsKnownByItsFlag) {
  struct Case {
    absl::string_view flags;
    bool kernel_thread;
  };
  for (const Case& c :
       {Case{"2097152", true}, Case{"2129984", true}, Case{"69238880", true},
        Case{"4194560", false}, Case{"0", false}, Case{"4294967295", true},
        Case{"4292870143", false}}) {
    auto stat =
        ParseProcessStat(absl::StrCat("2 (kthreadd) S 0 0 0 0 -1 ", c.flags,
                                      " 0 0 0 0 0 3 0 0 20 0 1 0 12 0 0"));
    ASSERT_TRUE(stat.ok()) << c.flags;
    EXPECT_EQ(stat->kernel_thread, c.kernel_thread) << c.flags;
  }
}

TEST(ParseProcessStatTest, NumbersThatDoNotFitAreCut) {
  auto stat = ParseProcessStat(
      "99999999999999999999 (a) S -4 5 6 7 -1 0 10 11 12 13 "
      "18446744073709551615 -15 16 17 20 -19 20 0 9223372036854775808 23 -24");
  ASSERT_TRUE(stat.ok()) << stat.status();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(stat->pid, kMost);
  EXPECT_EQ(stat->parent_pid, 0);
  EXPECT_EQ(stat->user_ticks, kMost);
  EXPECT_EQ(stat->system_ticks, 0);
  EXPECT_EQ(stat->start_ticks, kMost);
  EXPECT_EQ(stat->resident_pages, 0);
}

TEST(ParseProcessStatTest, ShortOrOddTextIsRefusedByName) {
  for (absl::string_view text :
       {"", "\n", "1", "1 bash S 4", "1 (bash", "1 bash)", "1 )bash(", "(bash)",
        "x (bash) S 4 5 6 7 -1 0 10 11 12 13 14 15 16 17 20 0 20 0 22 23 24",
        "1 (bash)", "1 (bash) ", "1 (bash) S",
        "1 (bash) SS 4 5 6 7 -1 0 10 11 12 13 14 15 16 17 20 0 20 0 22 23 24",
        "1 (bash) S x 5 6 7 -1 0 10 11 12 13 14 15 16 17 20 0 20 0 22 23 24",
        "1 (bash) S 4 5 6 7 -1 0 10 11 12 13 14 15 16 17 20 0 20 0 22 23"}) {
    auto stat = ParseProcessStat(text);
    EXPECT_EQ(stat.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(stat.status().message()),
                HasSubstr("/proc/PID/stat"));
  }
}

TEST(ParseProcessStatTest, ResidentPagesMayEndTheText) {
  for (absl::string_view end : {"", "\n", " ", " 25\n"}) {
    auto stat = ParseProcessStat(absl::StrCat(
        "1 (bash) S 4 5 6 7 -1 0 10 11 12 13 14 15 16 17 20 0 20 0 22 23 24",
        end));
    ASSERT_TRUE(stat.ok()) << stat.status();
    EXPECT_EQ(stat->resident_pages, 24);
  }
}

TEST(ParseCommandLineTest, ArgumentsAreJoinedBySpaces) {
  struct Case {
    std::string text;
    absl::string_view line;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{std::string("\0", 1), ""},
           Case{std::string("\0\0\0", 3), ""},
           Case{std::string("/sbin/init\0", 11), "/sbin/init"},
           Case{"no end", "no end"},
           Case{std::string("a\0b c\0d\0", 8), "a b c d"},
           Case{std::string("a\0\0b\0", 5), "a  b"},
           Case{std::string("nginx: worker\0\0\0\0\0\0", 19), "nginx: worker"},
           Case{"new\nline", "new\nline"},
       }) {
    EXPECT_EQ(ParseCommandLine(c.text, 100), c.line);
  }
}

TEST(ParseCommandLineTest, LengthIsLimited) {
  const std::string text("ab\0cd\0", 6);
  EXPECT_EQ(ParseCommandLine(text, 5), "ab cd");
  EXPECT_EQ(ParseCommandLine(text, 4), "ab c");
  EXPECT_EQ(ParseCommandLine(text, 1), "a");
  EXPECT_EQ(ParseCommandLine(text, 0), "");
}

TEST(ParseProcessCgroupTest, BestPathIsTaken) {
  struct Case {
    absl::string_view text;
    absl::string_view path;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"0::/\n", "/"},
           Case{"0::/system.slice/nginx.service\n",
                "/system.slice/nginx.service"},
           Case{"0::/system.slice/nginx.service",
                "/system.slice/nginx.service"},
           // v2 wins over v1 wherever it stands, unless it says nothing.
           Case{"9:memory:/docker/1\n0::/v2\n", "/v2"},
           Case{"0::/v2\n9:memory:/docker/1\n", "/v2"},
           Case{"9:memory:/docker/1\n0::/\n", "/docker/1"},
           Case{"0::/\n9:memory:/docker/1\n", "/docker/1"},
           Case{"9:cpu:/\n8:memory:/m\n7:pids:/p\n", "/m"},
           Case{"9:cpu:/\n8:memory:/\n", "/"},
           Case{"1:name=systemd:/user.slice\n", "/user.slice"},
           // Only hierarchy 0 without controllers is v2.
           Case{"10::/ten\n0:cpu:/cpu\n0::/v2\n", "/v2"},
           Case{"0::/a:b:c\n", "/a:b:c"},
           Case{"0::/../../other\n", "/../../other"},
           Case{"0::/gone (deleted)\n", "/gone (deleted)"},
           Case{"0::\n", ""},
           Case{"0::relative\n", ""},
           Case{"nonsense\n/\n:\n\n0:/x\n", ""},
       }) {
    EXPECT_EQ(ParseProcessCgroup(c.text), c.path) << c.text;
  }
}

}  // namespace
}  // namespace specula::agent
