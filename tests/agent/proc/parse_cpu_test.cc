#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

CpuCounters Counters(int64_t user, int64_t nice, int64_t system, int64_t idle,
                     int64_t iowait = 0, int64_t irq = 0, int64_t softirq = 0,
                     int64_t steal = 0) {
  return {user, nice, system, idle, iowait, irq, softirq, steal};
}

std::vector<int> Numbers(const CpuStat& stat) {
  std::vector<int> numbers;
  for (const auto& [number, counters] : stat.cores) numbers.push_back(number);
  return numbers;
}

TEST(ParseCpuStatTest, EachColumnHasItsField) {
  auto stat = ParseCpuStat(
      "cpu  1 2 3 4 5 6 7 8 9 10\n"
      "cpu0 11 12 13 14 15 16 17 18 19 20\n"
      "intr 91 1 2 3\n"
      "ctxt 5\n"
      "btime 1763650000\n"
      "processes 9\n");
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->total, Counters(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(stat->cores,
              ElementsAre(Pair(0, Counters(11, 12, 13, 14, 15, 16, 17, 18))));
  EXPECT_EQ(stat->boot_time_seconds, 1763650000);
}

TEST(ParseCpuStatTest, GuestTimeIsNotReadASecondTime) {
  auto with = ParseCpuStat("cpu 1 2 3 4 5 6 7 8 500 600\n");
  auto without = ParseCpuStat("cpu 1 2 3 4 5 6 7 8\n");
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(with->total, without->total);
}

TEST(ParseCpuStatTest, ColumnsThatOldKernelsLackAreZero) {
  struct Case {
    absl::string_view text;
    CpuCounters counters;
  };
  for (const Case& c : {
           Case{"cpu 1 2 3 4", Counters(1, 2, 3, 4)},
           Case{"cpu 1 2 3 4 \n", Counters(1, 2, 3, 4)},
           Case{"cpu 1 2 3 4 5 6 7\n", Counters(1, 2, 3, 4, 5, 6, 7)},
           Case{"cpu\t1\t2\t3\t4\n", Counters(1, 2, 3, 4)},
       }) {
    auto stat = ParseCpuStat(c.text);
    ASSERT_TRUE(stat.ok()) << c.text;
    EXPECT_EQ(stat->total, c.counters) << c.text;
  }
}

TEST(ParseCpuStatTest, CoresKeepTheirNumbersWhereSomeAreOffline) {
  auto stat = ParseCpuStat(
      "cpu 9 9 9 9\n"
      "cpu0 1 0 0 0\n"
      "cpu3 4 0 0 0\n"
      "cpu17 18 0 0 0\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_THAT(stat->cores, ElementsAre(Pair(0, Counters(1, 0, 0, 0)),
                                       Pair(3, Counters(4, 0, 0, 0)),
                                       Pair(17, Counters(18, 0, 0, 0))));
}

TEST(ParseCpuStatTest, CoresAreSortedByNumberNotByText) {
  auto stat = ParseCpuStat("cpu10 0 0 0 0\ncpu9 0 0 0 0\ncpu2 0 0 0 0\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_THAT(Numbers(*stat), ElementsAre(2, 9, 10));
}

TEST(ParseCpuStatTest, OfALineGivenTwiceTheFirstCounts) {
  auto stat = ParseCpuStat(
      "cpu 1 1 1 1\n"
      "cpu 2 2 2 2\n"
      "cpu1 3 3 3 3\n"
      "cpu0 4 4 4 4\n"
      "cpu1 5 5 5 5\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->total, Counters(1, 1, 1, 1));
  EXPECT_THAT(stat->cores, ElementsAre(Pair(0, Counters(4, 4, 4, 4)),
                                       Pair(1, Counters(3, 3, 3, 3))));
}

TEST(ParseCpuStatTest, LinesThatAreNotUnderstoodArePassedOver) {
  for (absl::string_view odd :
       {"cpu1 1 2 3", "cpu1 1 2 3 x", "cpu1 1 2 3 4 x", "cpu-1 1 2 3 4",
        "cpux 1 2 3 4", "cpu1x 1 2 3 4", "cpu1-5 1 2 3 4", "cpu1", "cpu",
        "cpufreq 1 2 3 4", "cpu2147483648 1 2 3 4",
        "cpu99999999999999999999 1 2 3 4", " cpu1 1"}) {
    auto stat = ParseCpuStat(
        absl::StrCat("cpu 7 7 7 7\n", odd, "\ncpu5 1 1 1 1\nbtime 12\n"));
    ASSERT_TRUE(stat.ok()) << odd;
    EXPECT_EQ(stat->total, Counters(7, 7, 7, 7)) << odd;
    EXPECT_THAT(Numbers(*stat), ElementsAre(5)) << odd;
    EXPECT_EQ(stat->boot_time_seconds, 12) << odd;
  }
}

TEST(ParseCpuStatTest, NumbersThatDoNotFitAreCut) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  auto stat =
      ParseCpuStat("cpu 18446744073709551615 -3 3 99999999999999999999");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->total, Counters(kMost, 0, 3, kMost));
}

TEST(ParseCpuStatTest, AllOf128CoresAreRead) {
  std::string text = "cpu 1 1 1 1\n";
  for (int i = 0; i < 128; ++i)
    absl::StrAppend(&text, "cpu", i, " ", i, " 1 2 3\n");
  auto stat = ParseCpuStat(text);
  ASSERT_TRUE(stat.ok());
  ASSERT_EQ(stat->cores.size(), 128u);
  for (int i = 0; i < 128; ++i) {
    EXPECT_THAT(stat->cores[i], Pair(i, Counters(i, 1, 2, 3)));
  }
}

TEST(ParseCpuStatTest, CoresAreOfUseWithoutATotal) {
  auto stat = ParseCpuStat("cpu0 1 2 3 4\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->total, CpuCounters());
  EXPECT_THAT(Numbers(*stat), ElementsAre(0));
}

TEST(ParseCpuStatTest, AbsentBootTimeIsZero) {
  for (absl::string_view text :
       {"cpu 1 2 3 4\n", "cpu 1 2 3 4\nbtime x\n", "cpu 1 2 3 4\nbtimes 5\n"}) {
    auto stat = ParseCpuStat(text);
    ASSERT_TRUE(stat.ok()) << text;
    EXPECT_EQ(stat->boot_time_seconds, 0) << text;
  }
}

TEST(ParseCpuStatTest, TextWithoutACpuIsRefusedByName) {
  for (absl::string_view text :
       {"", "\n", "btime 5\n", "cpu\n", "cpu 1 2 3\n"}) {
    auto stat = ParseCpuStat(text);
    EXPECT_EQ(stat.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(stat.status().message()), HasSubstr("/proc/stat"));
  }
}

TEST(ParseCpuModelTest, NameOfTheFirstCpuIsTaken) {
  EXPECT_EQ(
      ParseCpuModel("processor\t: 0\n"
                    "vendor_id\t: GenuineIntel\n"
                    "model\t\t: 85\n"
                    "model name\t: Intel(R) Xeon(R) Gold: 6148 @ 2.40GHz \n"
                    "\n"
                    "processor\t: 1\n"
                    "model name\t: Other\n"),
      "Intel(R) Xeon(R) Gold: 6148 @ 2.40GHz");
}

TEST(ParseCpuModelTest, ArmHasHardwareOrNumbers) {
  constexpr absl::string_view kArm =
      "processor\t: 0\n"
      "BogoMIPS\t: 243.75\n"
      "CPU implementer\t: 0x41\n"
      "CPU architecture: 8\n"
      "CPU variant\t: 0x3\n"
      "CPU part\t: 0xd0c\n"
      "\n"
      "processor\t: 1\n"
      "CPU implementer\t: 0x42\n"
      "CPU part\t: 0xd0d\n";
  EXPECT_EQ(ParseCpuModel(kArm), "CPU implementer 0x41 part 0xd0c");
  EXPECT_EQ(ParseCpuModel(absl::StrCat(kArm, "\nHardware\t: BCM2835\n")),
            "BCM2835");
  EXPECT_EQ(ParseCpuModel(absl::StrCat(
                kArm, "Hardware\t: BCM2835\nmodel name\t: ARMv8 rev 3\n")),
            "ARMv8 rev 3");
}

TEST(ParseCpuModelTest, NothingIsMadeUp) {
  for (absl::string_view text :
       {"", "\n", "processor\t: 0\n", "model name\n", "model name\t: \n",
        "CPU implementer\t: 0x41\n", "CPU part\t: 0xd0c\n", "model\t: 5\n"}) {
    EXPECT_THAT(ParseCpuModel(text), IsEmpty()) << text;
  }
}

TEST(CountCpuListTest, RangesAndSingleNumbersAreCounted) {
  struct Case {
    absl::string_view text;
    int count;
  };
  for (const Case& c : {
           Case{"0", 1},
           Case{"0\n", 1},
           Case{"0-3", 4},
           Case{"0-3,8\n", 5},
           Case{"1,3", 2},
           Case{"0-0", 1},
           Case{"0-63,128-191", 128},
           Case{"0-2147483646", 2147483647},
       }) {
    auto count = CountCpuList(c.text);
    ASSERT_TRUE(count.ok()) << c.text;
    EXPECT_EQ(*count, c.count) << c.text;
  }
}

TEST(CountCpuListTest, OddListsAreRefused) {
  for (absl::string_view text : {"",
                                 "\n",
                                 ",",
                                 "0,",
                                 ",0",
                                 "0-",
                                 "-3",
                                 "3-1",
                                 "0-3,2",
                                 "1,1",
                                 "0-1-2",
                                 "a",
                                 "0-x",
                                 "0-7:1/2",
                                 "0 1",
                                 "0x3",
                                 "0, -1",
                                 "0-2147483647",
                                 "99999999999999999999",
                                 "0--1"}) {
    EXPECT_EQ(CountCpuList(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace specula::agent
