#include "agent/metrics/cpu.h"

#include <unistd.h>

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gtest/gtest.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kWindow = absl::Milliseconds(1500);

int64_t Ticks(int64_t seconds) { return seconds * sysconf(_SC_CLK_TCK); }

CpuStat ReadTree(absl::string_view tree) {
  const ProcRoot root(
      absl::StrCat(testing::TestDataDirectory(), "/proc/", tree));
  return ParseCpuStat(root.Read("/proc/stat").value()).value();
}

v1::Cpu Fill(const CpuStat* previous, const CpuStat& current) {
  v1::Cpu cpu;
  FillCpu(previous, current, kWindow, &cpu);
  return cpu;
}

double Sum(const v1::CpuTimes& times) {
  return times.user() + times.nice() + times.system() + times.idle() +
         times.iowait() + times.irq() + times.softirq() + times.steal();
}

void ExpectNoNumbers(const v1::Cpu& cpu, v1::Quality quality) {
  EXPECT_EQ(cpu.quality(), quality);
  EXPECT_FALSE(cpu.has_utilization());
  EXPECT_FALSE(cpu.has_times());
  EXPECT_FALSE(cpu.has_window());
}

void ExpectNoNumbers(const v1::CpuCore& core, v1::Quality quality) {
  EXPECT_EQ(core.quality(), quality) << core.id();
  EXPECT_FALSE(core.has_utilization()) << core.id();
  EXPECT_FALSE(core.has_times()) << core.id();
}

TEST(CpuTest, EachStateHasItsShare) {
  CpuStat before, after;
  before.total = {100, 200, 300, 400, 500, 600, 700, 800};
  after.total = {110, 205, 320, 430, 515, 602, 703, 815};
  const v1::Cpu cpu = Fill(&before, after);
  EXPECT_EQ(cpu.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(cpu.times().user(), 0.10);
  EXPECT_DOUBLE_EQ(cpu.times().nice(), 0.05);
  EXPECT_DOUBLE_EQ(cpu.times().system(), 0.20);
  EXPECT_DOUBLE_EQ(cpu.times().idle(), 0.30);
  EXPECT_DOUBLE_EQ(cpu.times().iowait(), 0.15);
  EXPECT_DOUBLE_EQ(cpu.times().irq(), 0.02);
  EXPECT_DOUBLE_EQ(cpu.times().softirq(), 0.03);
  EXPECT_DOUBLE_EQ(cpu.times().steal(), 0.15);
  // Neither idle nor iowait is work; steal is.
  EXPECT_DOUBLE_EQ(cpu.utilization(), 0.55);
  EXPECT_EQ(cpu.window().seconds(), 1);
  EXPECT_EQ(cpu.window().nanos(), 500'000'000);
}

TEST(CpuTest, GuestTimeIsNotAddedToUser) {
  const CpuStat before =
      ParseCpuStat("cpu  1000 100 0 1000 0 0 0 0 900 90\n").value();
  const CpuStat after =
      ParseCpuStat("cpu  1050 110 0 1040 0 0 0 0 950 100\n").value();
  const v1::Cpu cpu = Fill(&before, after);
  EXPECT_DOUBLE_EQ(cpu.times().user(), 0.5);
  EXPECT_DOUBLE_EQ(cpu.times().nice(), 0.1);
  EXPECT_DOUBLE_EQ(cpu.utilization(), 0.6);
  EXPECT_DOUBLE_EQ(Sum(cpu.times()), 1);
}

TEST(CpuTest, FirstSampleHasNoNumbers) {
  const CpuStat stat = ReadTree("debian12-vm");
  const v1::Cpu cpu = Fill(nullptr, stat);
  ExpectNoNumbers(cpu, v1::QUALITY_FIRST);
  EXPECT_EQ(cpu.logical_count(), 2);
  ASSERT_EQ(cpu.cores_size(), 2);
  for (const v1::CpuCore& core : cpu.cores()) {
    ExpectNoNumbers(core, v1::QUALITY_FIRST);
  }
}

TEST(CpuTest, CountersThatRunBackALittleStandStill) {
  const CpuStat before = ReadTree("backwards/before");
  const CpuStat after = ReadTree("backwards/after");
  const v1::Cpu cpu = Fill(&before, after);
  ASSERT_EQ(cpu.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(Sum(cpu.times()), 1);
  ASSERT_EQ(cpu.cores_size(), 2);
  // Core 1: idle went back by 1 and iowait by 5; user 50, system 25, softirq 1.
  const v1::CpuCore& core = cpu.cores(1);
  EXPECT_EQ(core.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(core.times().idle(), 0);
  EXPECT_DOUBLE_EQ(core.times().iowait(), 0);
  EXPECT_DOUBLE_EQ(core.times().user(), 50.0 / 76);
  EXPECT_DOUBLE_EQ(core.utilization(), 1);
  EXPECT_DOUBLE_EQ(Sum(core.times()), 1);
}

TEST(CpuTest, IdleThatRunsBackThreeSecondsIsAnotherPast) {
  const struct {
    int64_t back;
    v1::Quality quality;
  } kCases[] = {
      {1, v1::QUALITY_OK},
      {Ticks(3) - 1, v1::QUALITY_OK},
      {Ticks(3), v1::QUALITY_RESET},
      {Ticks(1000), v1::QUALITY_RESET},
  };
  for (const auto& test : kCases) {
    CpuStat before, after;
    before.total.idle = Ticks(5000);
    before.cores = {{0, before.total}};
    after.total = before.total;
    after.total.idle -= test.back;
    after.total.user = 100;
    after.cores = {{0, after.total}};
    const v1::Cpu cpu = Fill(&before, after);
    EXPECT_EQ(cpu.quality(), test.quality) << test.back;
    EXPECT_EQ(cpu.cores(0).quality(), test.quality) << test.back;
    if (test.quality == v1::QUALITY_RESET) {
      ExpectNoNumbers(cpu, v1::QUALITY_RESET);
      ExpectNoNumbers(cpu.cores(0), v1::QUALITY_RESET);
    } else {
      EXPECT_DOUBLE_EQ(cpu.utilization(), 1) << test.back;
    }
  }
}

TEST(CpuTest, TimeThatDoesNotGrowIsNoShareOfAnything) {
  // The same twice, as after a suspend; and all backwards.
  const CpuStat before = ReadTree("debian12-vm");
  const v1::Cpu same = Fill(&before, before);
  ExpectNoNumbers(same, v1::QUALITY_RESET);
  ExpectNoNumbers(same.cores(0), v1::QUALITY_RESET);
  CpuStat back = before;
  back.total.user -= 10;
  back.total.system -= 1;
  ExpectNoNumbers(Fill(&before, back), v1::QUALITY_RESET);
}

TEST(CpuTest, CoresAreMatchedByNumber) {
  const CpuStat before = ReadTree("offline-cpu/before");
  const CpuStat after = ReadTree("offline-cpu/after");
  const v1::Cpu cpu = Fill(&before, after);
  EXPECT_EQ(cpu.logical_count(), 6);
  ASSERT_EQ(cpu.cores_size(), 6);
  const int kIds[] = {0, 1, 3, 4, 6, 7};
  for (int i = 0; i < 6; ++i) {
    const v1::CpuCore& core = cpu.cores(i);
    EXPECT_EQ(core.id(), kIds[i]);
    // Each of them did the same: 420 idle, 4 iowait, 50 user, 1 softirq and 25
    // of system; the wrong neighbour's counters would give other shares.
    ASSERT_EQ(core.quality(), v1::QUALITY_OK) << core.id();
    EXPECT_DOUBLE_EQ(core.times().user(), 50.0 / 500) << core.id();
    EXPECT_DOUBLE_EQ(core.times().system(), 25.0 / 500) << core.id();
    EXPECT_DOUBLE_EQ(core.times().idle(), 420.0 / 500) << core.id();
    EXPECT_DOUBLE_EQ(core.utilization(), 76.0 / 500) << core.id();
  }
}

TEST(CpuTest, ACoreThatCameOnlineIsFirst) {
  const CpuStat before = ReadTree("offline-cpu/after");
  CpuStat after = ReadTree("offline-cpu/before");
  after.total.idle += Ticks(1000);
  for (auto& [id, counters] : after.cores) counters.idle += Ticks(1000);
  const v1::Cpu cpu = Fill(&before, after);
  ASSERT_EQ(cpu.cores_size(), 7);
  for (const v1::CpuCore& core : cpu.cores()) {
    if (core.id() == 2) {
      ExpectNoNumbers(core, v1::QUALITY_FIRST);
    } else {
      EXPECT_EQ(core.quality(), v1::QUALITY_OK) << core.id();
    }
  }
}

TEST(CpuTest, GreatestCountersOverflowNothing) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  CpuStat before, after;
  after.total = {kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost};
  const v1::Cpu up = Fill(&before, after);
  EXPECT_EQ(up.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(Sum(up.times()), 1);
  EXPECT_DOUBLE_EQ(up.utilization(), 0.75);
  ExpectNoNumbers(Fill(&after, before), v1::QUALITY_RESET);
}

TEST(CpuTest, AHundredAndTwentyEightCoresAreAllThere) {
  const CpuStat stat = ReadTree("big-128core");
  CpuStat later = stat;
  for (auto& [id, counters] : later.cores) counters.user += id + 1;
  const v1::Cpu cpu = Fill(&stat, later);
  EXPECT_EQ(cpu.logical_count(), 128);
  ASSERT_EQ(cpu.cores_size(), 128);
  EXPECT_EQ(cpu.cores(127).id(), 127);
  EXPECT_DOUBLE_EQ(cpu.cores(127).utilization(), 1);
}

}  // namespace
}  // namespace specula::agent
