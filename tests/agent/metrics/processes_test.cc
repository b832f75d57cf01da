#include "agent/metrics/processes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

// A row with its details.
void FillWhole(const ProcRoot& root, const RankedProcess& ranked,
               absl::Time boot_time, v1::Process* row) {
  FillProcess(ranked, boot_time, row);
  FillDetails(ReadProcessDetails(root, UserNames(root), row->pid()), row);
}

using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

int64_t Ticks(double seconds) {
  return static_cast<int64_t>(seconds *
                              static_cast<double>(sysconf(_SC_CLK_TCK)));
}

std::string Tree(absl::string_view name) {
  return absl::StrCat(testing::TestDataDirectory(), "/proc/", name);
}

ProcessStat MakeProcess(int64_t pid, int64_t start, int64_t ticks,
                        int64_t pages = 0) {
  ProcessStat process;
  process.pid = pid;
  process.start_ticks = start;
  process.user_ticks = ticks / 2;
  process.system_ticks = ticks - ticks / 2;
  process.resident_pages = pages;
  return process;
}

std::vector<RankedProcess> Rank(const ProcessList* previous,
                                const ProcessList& current,
                                v1::ProcessOrder order = v1::PROCESS_ORDER_CPU,
                                size_t limit = 100,
                                absl::Duration window = absl::Seconds(2)) {
  return RankProcesses(previous, current, window, order, limit);
}

std::vector<int64_t> Pids(const std::vector<RankedProcess>& ranked) {
  std::vector<int64_t> pids;
  for (const RankedProcess& row : ranked) pids.push_back(row.process->pid);
  return pids;
}

TEST(ProcessesTest, TheTableHasEveryProcessByPid) {
  // 1200 has ended in between: it has a directory and no stat.
  const ProcessList table = ReadProcessList(ProcRoot(Tree("processes")));
  std::vector<int64_t> pids;
  for (const ProcessStat& process : table) pids.push_back(process.pid);
  EXPECT_THAT(pids, ElementsAre(1, 2, 57, 811, 1042, 1043, 1050, 1100));
  EXPECT_EQ(table[4].name, "a) b (c");
  EXPECT_EQ(table[4].state, 'R');
}

TEST(ProcessesTest, AHostWithoutProcIsEmpty) {
  EXPECT_THAT(ReadProcessList(ProcRoot("/nonexistent")), IsEmpty());
}

TEST(ProcessesTest, OnlyNumbersAreProcesses) {
  TempDirectory directory;
  const std::string stat =
      " (x) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 5 100 7 0 0 0 0 0 0 0 0 0";
  directory.Write("proc/17/stat", "17" + stat);
  directory.Write("proc/self/stat", "17" + stat);
  directory.Write("proc/17x/stat", "18" + stat);
  directory.Write("proc/9/stat", "9" + stat);
  directory.Write("proc/11/stat", "nonsense");
  const ProcessList table = ReadProcessList(ProcRoot(directory.path()));
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].pid, 9);  // by number, not by name
  EXPECT_EQ(table[1].pid, 17);
}

TEST(ProcessesTest, SharesAreOfOneCore) {
  const ProcessList before = {MakeProcess(10, 1, Ticks(5)),
                              MakeProcess(20, 1, Ticks(1)),
                              MakeProcess(30, 1, Ticks(9))};
  const ProcessList after = {MakeProcess(10, 1, Ticks(5) + Ticks(0.5)),
                             MakeProcess(20, 1, Ticks(1) + Ticks(5)),
                             MakeProcess(30, 1, Ticks(9))};
  const std::vector<RankedProcess> ranked = Rank(&before, after);
  EXPECT_THAT(Pids(ranked), ElementsAre(20, 10, 30));
  EXPECT_DOUBLE_EQ(ranked[0].cpu.value_or(-1), 2.5);
  EXPECT_DOUBLE_EQ(ranked[1].cpu.value_or(-1), 0.25);
  EXPECT_DOUBLE_EQ(ranked[2].cpu.value_or(-1), 0);
}

TEST(ProcessesTest, ANewProcessHasNoShare) {
  const ProcessList before = {MakeProcess(10, 1, 0), MakeProcess(30, 1, 0)};
  const ProcessList after = {
      MakeProcess(5, 9, Ticks(900)), MakeProcess(10, 1, Ticks(1)),
      MakeProcess(20, 9, Ticks(900)), MakeProcess(30, 1, Ticks(2)),
      MakeProcess(40, 9, Ticks(900))};
  const std::vector<RankedProcess> ranked = Rank(&before, after);
  EXPECT_THAT(Pids(ranked), ElementsAre(30, 10, 5, 20, 40));
  EXPECT_TRUE(ranked[1].cpu.has_value());
  EXPECT_FALSE(ranked[2].cpu.has_value());
  EXPECT_FALSE(ranked[3].cpu.has_value());
  EXPECT_FALSE(ranked[4].cpu.has_value());
}

TEST(ProcessesTest, APidThatIsUsedAgainIsANewProcess) {
  const ProcessList before = {MakeProcess(10, 1, Ticks(50)),
                              MakeProcess(20, 1, Ticks(1))};
  const ProcessList after = {MakeProcess(10, 777, Ticks(60)),
                             MakeProcess(20, 1, Ticks(2))};
  const std::vector<RankedProcess> ranked = Rank(&before, after);
  EXPECT_THAT(Pids(ranked), ElementsAre(20, 10));
  EXPECT_FALSE(ranked[1].cpu.has_value());
}

TEST(ProcessesTest, ProcessesThatEndedAreGone) {
  const ProcessList before = {MakeProcess(10, 1, 0), MakeProcess(20, 1, 0),
                              MakeProcess(30, 1, 0)};
  const ProcessList after = {MakeProcess(30, 1, Ticks(2))};
  const std::vector<RankedProcess> ranked = Rank(&before, after);
  EXPECT_THAT(Pids(ranked), ElementsAre(30));
  EXPECT_DOUBLE_EQ(ranked[0].cpu.value_or(-1), 1);
}

TEST(ProcessesTest, TimeThatRunsBackIsNoNegativeShare) {
  const ProcessList before = {MakeProcess(10, 1, Ticks(5))};
  const ProcessList after = {MakeProcess(10, 1, Ticks(4))};
  EXPECT_DOUBLE_EQ(Rank(&before, after)[0].cpu.value_or(-1), 0);
}

TEST(ProcessesTest, WithoutAWindowThereAreNoShares) {
  const ProcessList table = {MakeProcess(10, 1, Ticks(5), 1),
                             MakeProcess(20, 1, Ticks(5), 2)};
  EXPECT_FALSE(Rank(nullptr, table)[0].cpu.has_value());
  for (absl::Duration window : {absl::ZeroDuration(), -absl::Seconds(1)}) {
    const auto ranked = Rank(&table, table, v1::PROCESS_ORDER_CPU, 100, window);
    EXPECT_FALSE(ranked[0].cpu.has_value());
    EXPECT_THAT(Pids(ranked), ElementsAre(20, 10)) << "by memory then";
  }
}

TEST(ProcessesTest, TiesAreByMemoryAndThenByPid) {
  const ProcessList before = {MakeProcess(10, 1, 0), MakeProcess(20, 1, 0),
                              MakeProcess(30, 1, 0), MakeProcess(40, 1, 0)};
  const ProcessList after = {
      MakeProcess(10, 1, Ticks(1), 5), MakeProcess(20, 1, Ticks(1), 7),
      MakeProcess(30, 1, Ticks(1), 5), MakeProcess(40, 1, Ticks(2), 0)};
  EXPECT_THAT(Pids(Rank(&before, after)), ElementsAre(40, 20, 10, 30));
}

TEST(ProcessesTest, ByMemoryCpuDoesNotMatter) {
  const ProcessList before = {MakeProcess(10, 1, 0), MakeProcess(20, 1, 0),
                              MakeProcess(30, 1, 0)};
  const ProcessList after = {MakeProcess(10, 1, Ticks(9), 5),
                             MakeProcess(20, 1, 0, 6),
                             MakeProcess(30, 1, Ticks(1), 6)};
  const auto ranked = Rank(&before, after, v1::PROCESS_ORDER_MEMORY);
  EXPECT_THAT(Pids(ranked), ElementsAre(20, 30, 10));
  EXPECT_DOUBLE_EQ(ranked[2].cpu.value_or(-1), 4.5);
  EXPECT_THAT(Pids(Rank(&before, after, v1::PROCESS_ORDER_UNSPECIFIED)),
              ElementsAre(10, 30, 20));
}

TEST(ProcessesTest, TheLimitKeepsTheGreatest) {
  ProcessList before, after;
  for (int64_t pid = 1; pid <= 500; ++pid) {
    before.push_back(MakeProcess(pid, 1, 0));
    after.push_back(MakeProcess(pid, 1, (pid * 7919) % 500, pid % 13));
  }
  const std::vector<int64_t> all = Pids(Rank(&before, after));
  ASSERT_EQ(all.size(), 100u);
  for (size_t limit : {size_t{0}, size_t{1}, size_t{7}, size_t{99}}) {
    const std::vector<int64_t> some =
        Pids(Rank(&before, after, v1::PROCESS_ORDER_CPU, limit));
    EXPECT_EQ(some, std::vector<int64_t>(
                        all.begin(), all.begin() + static_cast<int>(limit)));
  }
  EXPECT_EQ(Rank(&before, after, v1::PROCESS_ORDER_CPU, 10'000).size(), 500u);
}

TEST(ProcessesTest, GreatestNumbersOverflowNothing) {
  ProcessStat greatest = MakeProcess(10, kMost, 0, kMost);
  greatest.user_ticks = greatest.system_ticks = kMost;
  const ProcessList before = {MakeProcess(10, kMost, 0)};
  const ProcessList after = {greatest};
  const auto ranked = Rank(&before, after);
  EXPECT_GT(ranked[0].cpu.value_or(-1), 1e15);
  v1::Process row;
  const ProcRoot root("/nonexistent");
  FillWhole(root, ranked[0], absl::UnixEpoch(), &row);
  EXPECT_EQ(row.resident_bytes(), kMost);
  EXPECT_GE(row.cpu_time().nanos(), 0);
  EXPECT_LE(row.cpu_time().seconds(), 315'576'000'000);
  EXPECT_FALSE(row.has_start_time()) << "no machine is up for that long";
}

TEST(ProcessesTest, UsersHaveTheNameOfTheirFirstLine) {
  TempDirectory directory;
  directory.Write("etc/passwd",
                  "root:x:0:0:root:/root:/bin/bash\n"
                  "toor:x:0:0::/root:/bin/sh\n"
                  "\n"
                  "# comment\n"
                  "short:x:17\n"
                  "odd:x:seventeen:17:::\n"
                  "ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash\n"
                  "b\xff:x:1001:1001::/:/bin/sh\n"
                  "big:x:4294967294:1::/:/bin/sh");
  const UserNames users{ProcRoot(directory.path())};
  EXPECT_EQ(users.Name(0), "root");
  EXPECT_EQ(users.Name(1000), "ann");
  EXPECT_EQ(users.Name(1001), "b\ufffd");
  EXPECT_EQ(users.Name(4294967294), "big");
  EXPECT_EQ(users.Name(17), "17");
  EXPECT_EQ(users.Name(5), "5");
  EXPECT_EQ(UserNames(ProcRoot("/nonexistent")).Name(0), "0");
}

v1::Process FillFromTree(const ProcRoot& root, int64_t pid,
                         std::optional<double> cpu = std::nullopt) {
  const ProcessList table = ReadProcessList(root);
  for (const ProcessStat& process : table) {
    if (process.pid != pid) continue;
    v1::Process row;
    FillWhole(root, {&process, cpu}, absl::FromUnixSeconds(1'763'600'000),
              &row);
    return row;
  }
  ADD_FAILURE() << "no process " << pid;
  return {};
}

TEST(ProcessesTest, ARowSaysAllOfAProcess) {
  const ProcRoot root(Tree("processes"));
  const v1::Process row = FillFromTree(root, 1042, 0.5);
  EXPECT_EQ(row.pid(), 1042);
  EXPECT_EQ(row.parent_pid(), 811);
  EXPECT_EQ(row.start_ticks(), 51234);
  EXPECT_EQ(row.start_time().seconds(),
            1'763'600'000 + 51234 / sysconf(_SC_CLK_TCK));
  EXPECT_EQ(row.state(), "R");
  EXPECT_EQ(row.thread_count(), 4);
  EXPECT_EQ(row.resident_bytes(), 640 * sysconf(_SC_PAGESIZE));
  EXPECT_DOUBLE_EQ(row.cpu_utilization(), 0.5);
  EXPECT_EQ(row.cpu_time().seconds(), (777 + 88) / sysconf(_SC_CLK_TCK));
  EXPECT_EQ(row.name(), "a) b (c");
  EXPECT_EQ(row.command_line(), "/tmp/a) b (c --flag=x y  last");
  // Nobody has a name here: the owner of the recorded directory by number.
  struct stat info;
  ASSERT_EQ(stat(root.Path("/proc/1042").c_str(), &info), 0);
  EXPECT_EQ(row.user(), absl::StrCat(info.st_uid));
}

const absl::Time kNow = absl::FromUnixSeconds(1'000'000'000);

// Seconds before kNow.
int64_t AgeOf(absl::Time time) { return absl::ToInt64Seconds(kNow - time); }

std::optional<absl::Duration> Seconds(int64_t seconds) {
  if (seconds < 0) return std::nullopt;
  return absl::Seconds(seconds);
}

BootClocks Clocks(int64_t since_boot, int64_t uptime, int64_t boot_age) {
  BootClocks clocks;
  clocks.since_boot = Seconds(since_boot);
  clocks.uptime = Seconds(uptime);
  // Below -1: it is ahead.
  if (boot_age != -1) clocks.boot_time = kNow - absl::Seconds(boot_age);
  return clocks;
}

TEST(ProcessesTest, TicksAreOfTheClockThatIsBehindNoProcess) {
  const struct {
    int64_t since_boot, uptime, boot_age;  // seconds; -1: unknown
    int64_t youngest, age_of_epoch;
  } kCases[] = {
      {5000, 5000, 5000, 4000, 5000},
      // Uptime and btime are a container's, the ticks are the host's.
      {2592000, 600, 600, 2591940, 2592000},
      {2592000, 600, 600, 100, 2592000},
      // The same in a recorded tree, which has no clock of its own.
      {-1, 600, 2592000, 2591940, 2592000},
      {-1, 2592000, 600, 2591940, 2592000},
      {-1, 600, 600, 2591940, 2591940},
      {-1, -1, 600, 500, 600},
      {-1, -1, -1, 500, 500},
      {-1, -1, -100, 500, 500},
      {-1, -1, -1, 0, 0},
      // A process that started after the clock was read.
      {-1, 600, -1, 601, 601},
  };
  for (const auto& test : kCases) {
    const ProcessList list = {
        MakeProcess(1, 0, 0),
        MakeProcess(2, Ticks(static_cast<double>(test.youngest)), 0),
        MakeProcess(3, kMost, 0)};
    const absl::Time epoch = TickEpoch(
        Clocks(test.since_boot, test.uptime, test.boot_age), list, kNow);
    EXPECT_EQ(AgeOf(epoch), test.age_of_epoch)
        << test.since_boot << " " << test.uptime << " " << test.youngest;
    EXPECT_LE(epoch + absl::Seconds(test.youngest), kNow);
  }
}

TEST(ProcessesTest, TheTimeOfTheBootAgreesWithTheUptime) {
  const struct {
    int64_t uptime, boot_age;
    std::optional<int64_t> age;
  } kCases[] = {
      {5000, 5001, 5001},  // the same to a second: that does not waver
      {600, 2592000, 600}, {600, -100, 600},         {-1, 5000, 5000},
      {600, -1, 600},      {-1, -100, std::nullopt}, {-1, -1, std::nullopt},
  };
  for (const auto& test : kCases) {
    const std::optional<absl::Time> boot =
        BootTime(Clocks(-1, test.uptime, test.boot_age), kNow);
    ASSERT_EQ(boot.has_value(), test.age.has_value()) << test.uptime;
    if (!boot.has_value()) continue;
    EXPECT_EQ(AgeOf(*boot), *test.age) << test.uptime;
  }
}

TEST(ProcessesTest, TheClockOfThisMachineIsThatOfItsOwnProcOnly) {
  EXPECT_FALSE(SinceBoot(ProcRoot(Tree("processes"))).has_value());
  const ProcRoot here("");
  ASSERT_TRUE(SinceBoot(here).has_value());
  const ProcessList list = ReadProcessList(here);
  const absl::Time now = absl::Now();
  BootClocks clocks;
  clocks.since_boot = SinceBoot(here);
  const absl::Time epoch = TickEpoch(clocks, list, now);
  for (const ProcessStat& process : list) {
    v1::Process row;
    FillWhole(here, {&process, std::nullopt}, epoch, &row);
    EXPECT_LE(row.start_time().seconds(), absl::ToUnixSeconds(now))
        << process.name;
    if (process.pid == getpid()) {
      EXPECT_GT(row.start_time().seconds(), absl::ToUnixSeconds(now) - 3600);
    }
  }
}

TEST(ProcessesTest, AbsentIsNotZero) {
  EXPECT_FALSE(
      FillFromTree(ProcRoot(Tree("processes")), 1042).has_cpu_utilization());
}

TEST(ProcessesTest, WithoutACommandLineTheNameStandsInBrackets) {
  const ProcRoot root(Tree("processes"));
  EXPECT_EQ(FillFromTree(root, 2).command_line(), "[kthreadd]");
  EXPECT_EQ(FillFromTree(root, 1050).command_line(), "[defunct]");
  EXPECT_EQ(FillFromTree(root, 1050).state(), "Z");
  EXPECT_EQ(FillFromTree(root, 1043).name(), "new\nline");
}

TEST(ProcessesTest, TheControlGroupIsTheOneThatSaysMost) {
  const ProcRoot root(Tree("processes"));
  EXPECT_EQ(FillFromTree(root, 1).cgroup(), "/init.scope");
  EXPECT_EQ(FillFromTree(root, 2).cgroup(), "/");
}

TEST(ProcessesTest, HostileWordsAreCutAndValidUtf8) {
  TempDirectory directory;
  directory.Write(
      "proc/7/stat",
      "7 (\xff\xfe) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 5 100 7 0 0 0 0 0");
  std::string arguments(100'000, 'x');
  arguments[1] = '\xff';
  directory.Write("proc/7/cmdline", arguments);
  directory.Write("proc/7/cgroup", "0::/a\xff\n");
  const v1::Process row = FillFromTree(ProcRoot(directory.path()), 7);
  EXPECT_EQ(row.name(), "\ufffd\ufffd");
  // 4 KiB as they are sent, though one byte became three.
  EXPECT_EQ(row.command_line().size(), 4096u);
  EXPECT_EQ(row.command_line().substr(0, 5), "x\ufffdx");
  EXPECT_EQ(row.cgroup(), "/a\ufffd");
  std::string bytes;
  EXPECT_TRUE(row.SerializeToString(&bytes));
  EXPECT_TRUE(v1::Process().ParseFromString(bytes)) << "not UTF-8";
}

TEST(ProcessesTest, AProcessThatEndedMeanwhileHasWhatIsKnown) {
  TempDirectory directory;
  const ProcRoot root(directory.path());
  ProcessStat process = MakeProcess(7, 5, 0);
  process.name = "gone";
  v1::Process row;
  FillWhole(root, {&process, std::nullopt}, absl::UnixEpoch(), &row);
  EXPECT_EQ(row.pid(), 7);
  EXPECT_EQ(row.user(), "");
  EXPECT_EQ(row.command_line(), "[gone]");
}

}  // namespace
}  // namespace specula::agent
