// A process tree is owned: whatever a command does to get away, all of it is
// gone within the bound, with control groups and without.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "agent/broker/cgroup.h"
#include "lib/base/clock.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

constexpr char kMark[] = "SPECULA_TEST_MARK";

class TreeTest : public BrokerTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    options_.jobs.use_cgroups = GetParam();
    if (GetParam() && !CgroupPool::Create("probe").ok())
      GTEST_SKIP() << "no writable cgroup2 here";
    Launch();
    ASSERT_EQ(Describe().supervision(), GetParam() ? "cgroup" : "session");
  }

  broker::Spawn Marked(absl::string_view line) {
    broker::Spawn command = Shell(line);
    command.add_environment()->set_name(kMark);
    command.mutable_environment(0)->set_value(directory_);
    return command;
  }

  std::vector<pid_t> Living() const { return LivingWith(kMark, directory_); }

  // Runs it until `count` processes of it live.
  std::shared_ptr<ExecResult> Grow(absl::string_view line, size_t count) {
    auto result = Begin(Marked(line));
    EXPECT_TRUE(Serve([&] { return result->status.ok(); })) << result->status;
    EXPECT_TRUE(
        WaitFor([&] { return Living().size() >= count; }, absl::Seconds(20)))
        << Living().size();
    return result;
  }

  // Waits until `count` of them are `sleep`, the last step of their lines: who
  // is about to fork when TERM comes has a child that only KILL ends.
  bool Settled(size_t count) const {
    return WaitFor(
        [&] {
          size_t asleep = 0;
          for (const pid_t pid : Living()) {
            std::string name;
            std::ifstream(absl::StrCat("/proc/", pid, "/comm")) >> name;
            asleep += name == "sleep" ? 1 : 0;
          }
          return asleep == count && Living().size() >= count;
        },
        absl::Seconds(20));
  }

  // Ends it, and sees to it that nothing is left within the bound.
  void EndAndCheck(ExecResult& result, absl::Duration grace,
                   absl::Duration limit) {
    EXPECT_TRUE(EndTree(result.spawned.facts.job(), grace).ok());
    EXPECT_TRUE(Serve([&] { return result.gone.has_value(); }, limit))
        << "not gone in time";
    EXPECT_EQ(Living().size(), 0u);
    ASSERT_TRUE(result.gone.has_value());
    EXPECT_EQ(result.gone->survivor_count(), 0);
    ReadPipes(result);
    EXPECT_FALSE(result.out_open) << "somebody holds the pipe";
    EXPECT_TRUE(
        WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(2)));
  }
};

INSTANTIATE_TEST_SUITE_P(Supervision, TreeTest, ::testing::Values(true, false),
                         [](const auto& info) {
                           return info.param ? "Cgroup" : "Session";
                         });

TEST_P(TreeTest, PlainChildrenEndByTerm) {
  auto result = Grow("sleep 1000 & sleep 1000 & wait", 3);
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(2));
  EXPECT_EQ(result->exited->signal(), SIGTERM);
  EXPECT_EQ(result->gone->killed_count(), 0);
}

TEST_P(TreeTest, OwnSessionsDoNotEscape) {
  auto result = Grow("setsid sleep 1000 & setsid -f sleep 1000; wait", 3);
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(2));
}

TEST_P(TreeTest, DoubleForkDoesNotEscape) {
  auto result =
      Grow("(setsid sh -c '(sleep 1000 &) ; exit 0' &) ; sleep 1000", 2);
  ASSERT_TRUE(Settled(2));
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(2));
}

TEST_P(TreeTest, DaemonIsEndedAfterItsParentHasExited) {
  const ExecResult result =
      Exec(Marked("setsid sh -c '(sleep 1000 &) ; exit 0'; exit 5"));
  EXPECT_EQ(result.exited->code(), 5);
  EXPECT_EQ(result.gone->killed_count(), 1);
  EXPECT_LT(result.wall, absl::Seconds(3));
  EXPECT_TRUE(Living().empty());
}

TEST_P(TreeTest, WhoIsBornAnOrphanDuringTheGraceEndsByTerm) {
  auto result = Grow(
      "trap '(sleep 1000 &) ; exit 0' TERM; while :; do sleep 0.1; done", 2);
  EndAndCheck(*result, absl::Seconds(60), absl::Seconds(30));
  EXPECT_EQ(result->gone->killed_count(), 0);
}

TEST_P(TreeTest, WhatAHandlerOfTermRunsIsNotDisturbed) {
  const std::string done = absl::StrCat(directory_, "/done");
  auto result =
      Grow(absl::StrCat("trap 'sleep 1 && echo clean >", done,
                        "; exit 0' TERM; while :; do sleep 0.1; done"),
           2);
  EndAndCheck(*result, absl::Seconds(60), absl::Seconds(30));
  EXPECT_EQ(result->exited->code(), 0);
  EXPECT_EQ(access(done.c_str(), F_OK), 0);
}

TEST_P(TreeTest, IgnoringTermHelpsOnlyUntilTheGraceIsOver) {
  auto result = Grow(
      "trap '' TERM; (trap '' TERM; sleep 1000; sleep 1000) & while :; do "
      "sleep 1; done",
      4);
  EndAndCheck(*result, absl::Seconds(1), absl::Seconds(2));
  EXPECT_EQ(result->exited->signal(), SIGKILL);
  EXPECT_GE(result->gone->killed_count(), 2);
}

TEST_P(TreeTest, StoppedProcessesEnd) {
  auto result =
      Grow("sleep 1000 & sleep 1000 & kill -STOP $! ; kill -STOP $$", 3);
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(2));
  EXPECT_EQ(result->gone->killed_count(), 0) << "TERM with CONT suffices";
}

TEST_P(TreeTest, ThousandChildrenEnd) {
  auto result = Grow(
      "trap '' TERM; i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); "
      "done; wait",
      1001);
  EndAndCheck(*result, absl::Seconds(1), absl::Seconds(6));
}

TEST_P(TreeTest, ThousandChildrenEndByTermAlone) {
  auto result =
      Grow("i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); done; wait",
           1001);
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(5));
  EXPECT_EQ(result->gone->killed_count(), 0);
}

TEST_P(TreeTest, WhoForksOnAndOnIsCaught) {
  auto result = Grow(
      "trap '' TERM; f() { sleep 0.01; (f) & wait; }; f & f & f & wait", 10);
  EndAndCheck(*result, absl::ZeroDuration(), absl::Seconds(4));
}

TEST_P(TreeTest, OnlyACgroupHoldsWhoHidesAllHisMarks) {
  if (!GetParam()) GTEST_SKIP() << "what only a control group can do";
  auto result = Begin(Shell(
      absl::StrCat("env -i ", kMark, "=", directory_,
                   " setsid sh -c '(exec sleep 1000) & exit 0'; sleep 1000")));
  ASSERT_TRUE(Serve([&] { return result->status.ok(); }));
  ASSERT_TRUE(Settled(1));
  EndAndCheck(*result, absl::Seconds(5), absl::Seconds(2));
}

TEST_P(TreeTest, TwoTreesAreKeptApart) {
  auto first = Grow("setsid sleep 1000 & sleep 1000", 3);
  auto second = Grow("setsid sleep 1000 & sleep 1000", 6);
  EXPECT_TRUE(EndTree(first->spawned.facts.job(), absl::Seconds(5)).ok());
  EXPECT_TRUE(Serve([&] { return first->gone.has_value(); }, absl::Seconds(2)));
  EXPECT_EQ(Living().size(), 3u);
  EndAndCheck(*second, absl::Seconds(5), absl::Seconds(2));
}

TEST_P(TreeTest, LostFrontEndsItsExecs) {
  auto result =
      Grow("setsid sleep 1000 & trap '' TERM; while :; do sleep 1; done", 3);
  client_.reset();
  // Its own grace of 5 s, and no more.
  EXPECT_TRUE(WaitFor([&] { return Living().empty(); }, absl::Seconds(6)));
  CloseFront();
}

TEST_P(TreeTest, FrontLostAtAnyMomentOfABirthEndsTheExec) {
  // From before the child is made until after its program runs.
  for (int i = 0; i < 40; ++i) {
    if (i > 0) Launch();
    const std::string ran = absl::StrCat(directory_, "/ran", i);
    Begin(Marked(absl::StrCat("setsid sleep 1000 & echo x >", ran,
                              "; exec sleep 1000")));
    const absl::Duration end = MonotonicNow() + i * absl::Microseconds(50);
    while (MonotonicNow() < end) {
    }
    // The broker learns of the lost front first, then of the exec, at once.
    kill(broker_pid_, SIGSTOP);
    client_.reset();
    WaitFor([&] { return access(ran.c_str(), F_OK) == 0; },
            absl::Milliseconds(30));
    kill(broker_pid_, SIGCONT);
    CloseFront();
    ASSERT_TRUE(WaitFor([&] { return Living().empty(); }, absl::Seconds(20)))
        << "after " << i * 50 << " us";
  }
}

TEST_P(TreeTest, EndOfTheBrokerIsTheEndOfItsExecs) {
  auto result = Grow("setsid sleep 1000 & sleep 1000", 3);
  kill(broker_pid_, SIGTERM);
  EXPECT_TRUE(WaitFor([&] { return Living().empty(); }, absl::Seconds(2)));
  CloseFront();
}

TEST_P(TreeTest, RepeatedEndOnlyShortensTheGrace) {
  auto result = Grow("trap '' TERM; while :; do sleep 1; done", 2);
  EXPECT_TRUE(EndTree(result->spawned.facts.job(), absl::Seconds(60)).ok());
  EXPECT_TRUE(
      EndTree(result->spawned.facts.job(), absl::Milliseconds(100)).ok());
  // Far less than the first grace, and enough for a machine that is busy.
  EXPECT_TRUE(
      Serve([&] { return result->gone.has_value(); }, absl::Seconds(30)));
  EXPECT_TRUE(
      absl::IsNotFound(EndTree(result->spawned.facts.job(), absl::Seconds(1))));
}

}  // namespace
}  // namespace specula::agent
