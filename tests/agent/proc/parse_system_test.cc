#include <limits>
#include <optional>
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

TEST(ParseLoadAverageTest, EachColumnHasItsField) {
  auto load = ParseLoadAverage("0.25 1.50 12.00 3/456 7890\n");
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_EQ(load->one_minute, 0.25);
  EXPECT_EQ(load->five_minutes, 1.5);
  EXPECT_EQ(load->fifteen_minutes, 12);
  EXPECT_EQ(load->runnable, 3);
  EXPECT_EQ(load->tasks, 456);
}

TEST(ParseLoadAverageTest, LoadIsOfUseWithoutTasks) {
  for (absl::string_view tasks :
       {"", " ", " x", " 3", " 3/", " /4", " x/4", " 3/x"}) {
    auto load = ParseLoadAverage(absl::StrCat("1.00 2.00 3.00", tasks));
    ASSERT_TRUE(load.ok()) << tasks;
    EXPECT_EQ(load->fifteen_minutes, 3) << tasks;
    EXPECT_EQ(load->runnable, 0) << tasks;
    EXPECT_EQ(load->tasks, 0) << tasks;
  }
}

TEST(ParseLoadAverageTest, NumbersThatDoNotFitAreCut) {
  auto load = ParseLoadAverage("1 2 3 -3/99999999999");
  ASSERT_TRUE(load.ok());
  EXPECT_EQ(load->runnable, 0);
  EXPECT_EQ(load->tasks, std::numeric_limits<int>::max());
}

TEST(ParseLoadAverageTest, OddTextIsRefusedByName) {
  for (absl::string_view text :
       {"", "\n", "1.00", "1.00 2.00", "1.00 x 3.00", "nan 2.00 3.00",
        "1.00 inf 3.00", "-1.00 2.00 3.00", "1.00 2.00\n3.00"}) {
    auto load = ParseLoadAverage(text);
    EXPECT_EQ(load.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(load.status().message()),
                HasSubstr("/proc/loadavg"));
  }
}

TEST(ParseUptimeTest, FirstNumberIsTaken) {
  for (absl::string_view text :
       {"1104.25 2163.88\n", "1104.25\n", "1104.25", "1104.25 x"}) {
    auto uptime = ParseUptime(text);
    ASSERT_TRUE(uptime.ok()) << text;
    EXPECT_EQ(*uptime, 1104.25) << text;
  }
}

TEST(ParseUptimeTest, OddTextIsRefusedByName) {
  for (absl::string_view text : {"", "\n", "x", "-5.00 1.00", "inf", "nan"}) {
    auto uptime = ParseUptime(text);
    EXPECT_EQ(uptime.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_THAT(std::string(uptime.status().message()),
                HasSubstr("/proc/uptime"));
  }
}

TEST(ParsePressureTest, PerCentBecomeShares) {
  auto pressure = ParsePressure(
      "some avg10=50.00 avg60=25.00 avg300=12.50 total=4225430\n"
      "full avg10=6.25 avg60=75.00 avg300=100.00 total=0\n");
  ASSERT_TRUE(pressure.ok()) << pressure.status();
  EXPECT_EQ(pressure->some.ten_seconds, 0.5);
  EXPECT_EQ(pressure->some.one_minute, 0.25);
  EXPECT_EQ(pressure->some.five_minutes, 0.125);
  ASSERT_TRUE(pressure->full.has_value());
  EXPECT_EQ(pressure->full->ten_seconds, 0.0625);
  EXPECT_EQ(pressure->full->one_minute, 0.75);
  EXPECT_EQ(pressure->full->five_minutes, 1);
}

TEST(ParsePressureTest, FullMayBeMissingOrOdd) {
  for (absl::string_view full :
       {"", "full\n", "full avg10=1.00\n", "full avg10=x avg60=1 avg300=1\n",
        "fuller avg10=1 avg60=1 avg300=1\n"}) {
    auto pressure = ParsePressure(
        absl::StrCat(full, "some avg10=50.00 avg60=0.00 avg300=0.00\n"));
    ASSERT_TRUE(pressure.ok()) << full;
    EXPECT_EQ(pressure->some.ten_seconds, 0.5) << full;
    EXPECT_FALSE(pressure->full.has_value()) << full;
  }
}

TEST(ParsePressureTest, SharesALittleAboveOneAreCutAndMoreIsNoShare) {
  auto pressure = ParsePressure("some avg10=100.50 avg60=0.00 avg300=0.00\n");
  ASSERT_TRUE(pressure.ok());
  EXPECT_EQ(pressure->some.ten_seconds, 1);
  EXPECT_FALSE(ParsePressure("some avg10=1 avg60=0.00 avg300=9999\n").ok());
}

TEST(ParsePressureTest, TextWithoutSomeIsRefusedByName) {
  for (absl::string_view text :
       {"", "full avg10=1.00 avg60=1.00 avg300=1.00 total=1\n",
        "some avg10=1.00 avg60=1.00\n", "some avg10=-1 avg60=1 avg300=1\n",
        "some avg60=1.00 avg10=1.00 avg300=1.00\n", "some 1 2 3\n"}) {
    auto pressure = ParsePressure(text);
    EXPECT_EQ(pressure.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_THAT(std::string(pressure.status().message()),
                HasSubstr("/proc/pressure"));
  }
}

TEST(ParseOsNameTest, ValueIsReadAsAShellReadsIt) {
  struct Case {
    absl::string_view text;
    absl::string_view name;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"NAME=\"Debian\"\nID=debian\n", ""},
           Case{
               "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=d\n",
               "Debian GNU/Linux 12 (bookworm)"},
           Case{"PRETTY_NAME='Alpine \"v3\" \\$x'\n", "Alpine \"v3\" \\$x"},
           Case{"PRETTY_NAME=Arch\n", "Arch"},
           Case{"PRETTY_NAME=Arch Linux\n", "Arch"},
           Case{"PRETTY_NAME=Arch\\ Linux\n", "Arch Linux"},
           Case{R"(PRETTY_NAME="a \"b\" \$c \`d\` \\e \f")",
                R"(a "b" $c `d` \e \f)"},
           Case{"PRETTY_NAME=\"it's\"\n", "it's"},
           Case{"PRETTY_NAME=\"a\"'b'c\n", "abc"},
           Case{"PRETTY_NAME=\"a=b\"\n", "a=b"},
           Case{"PRETTY_NAME=\"\"\n", ""},
           Case{"PRETTY_NAME=\n", ""},
           Case{"PRETTY_NAME\n", ""},
           Case{"PRETTY_NAME=\"open\nID=x\n", "open"},
           Case{"PRETTY_NAME=\"end\\", "end\\"},
           Case{"PRETTY_NAME=\"Dos\"\r\n", "Dos"},
           Case{"  PRETTY_NAME=\"Set in\"\n", "Set in"},
           Case{"#PRETTY_NAME=\"No\"\n# PRETTY_NAME=No\n", ""},
           Case{"XPRETTY_NAME=\"No\"\nPRETTY_NAME_X=\"No\"\n", ""},
           Case{"PRETTY_NAME=\"Yes\" # comment\n", "Yes"},
           Case{"PRETTY_NAME=first\nPRETTY_NAME=last\n", "last"},
       }) {
    EXPECT_EQ(ParseOsName(c.text), c.name) << c.text;
  }
}

}  // namespace
}  // namespace specula::agent
