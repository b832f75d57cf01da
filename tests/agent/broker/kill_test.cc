// Kill never reaches what it must not reach, whatever number comes from the
// network.

#include "agent/broker/kill.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "agent/broker/session_tree.h"
#include "agent/broker/started_store.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

constexpr int64_t kPidMax = 32768;

bool Lives(int64_t pid) {
  const auto stat = ReadProcStat(pid);
  return stat.ok() && !stat->dead();
}

TEST(CheckKillOrderTest, OnlyPidsOfProcessesPass) {
  for (int64_t pid :
       {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-2}, kPidMax + 1,
        int64_t{1} << 31, (int64_t{1} << 32) - 1, int64_t{1} << 32,
        (int64_t{1} << 32) + 5000, std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckKillOrder({.pid = pid}, kPidMax)))
        << pid;
  }
  EXPECT_TRUE(CheckKillOrder({.pid = 2}, kPidMax).ok());
  EXPECT_TRUE(CheckKillOrder({.pid = kPidMax}, kPidMax).ok());
}

TEST(CheckKillOrderTest, OnlySignalsPass) {
  for (int signal : {-1, 32, 33, 65, 1000}) {
    EXPECT_FALSE(CheckKillOrder({.pid = 5, .signal = signal}, kPidMax).ok())
        << signal;
  }
  for (int signal : {0, 1, 9, 31, 34, 64}) {
    EXPECT_TRUE(CheckKillOrder({.pid = 5, .signal = signal}, kPidMax).ok())
        << signal;
  }
}

TEST(CheckTargetTest, GuardsWhatMustNotBeSignalled) {
  const auto own = [](int64_t pid) { return pid == 7; };
  ProcStat target{.pid = 5, .start_ticks = 100};
  EXPECT_TRUE(CheckTarget({.pid = 5}, target, own).ok());
  EXPECT_TRUE(CheckTarget({.pid = 5, .start_ticks = 100}, target, own).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      CheckTarget({.pid = 5, .start_ticks = 99}, target, own)));
  EXPECT_TRUE(absl::IsPermissionDenied(CheckTarget({.pid = 7}, target, own)));
  target.kernel_thread = true;
  EXPECT_TRUE(absl::IsPermissionDenied(CheckTarget({.pid = 5}, target, own)));
}

class KillTest : public BrokerTest {
 protected:
  // A process that is not the broker's: our own child.
  pid_t Stranger() {
    const pid_t pid = fork();
    if (pid == 0) {
      client_.reset();
      while (true) pause();
    }
    return pid;
  }
};

TEST_F(KillTest, NumbersThatAreNoProcessAreRefused) {
  Launch();
  const pid_t sentinel = Stranger();
  for (int64_t pid : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-sentinel},
                      int64_t{1} << 31, (int64_t{1} << 32) + sentinel,
                      std::numeric_limits<int64_t>::max()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Kill(pid, {}, SIGKILL).status()))
        << pid;
  }
  EXPECT_TRUE(Lives(sentinel));
  EXPECT_EQ(*Kill(sentinel, {}, SIGKILL), 1);
  EXPECT_EQ(waitpid(sentinel, nullptr, 0), sentinel);
  EXPECT_TRUE(absl::IsNotFound(Kill(sentinel, {}, SIGKILL).status()));
}

TEST_F(KillTest, AgentsOwnProcessesAreRefused) {
  Launch();
  const auto denied = [&](int64_t pid, bool tree) {
    return absl::IsPermissionDenied(Kill(pid, {}, SIGKILL, tree).status());
  };
  EXPECT_TRUE(denied(broker_pid_, false));
  EXPECT_TRUE(denied(broker_pid_, true));
  // A tree with the agent in it, of which the top alone might be killed: this
  // process.
  EXPECT_TRUE(denied(getpid(), true));
  // And the helper that writes a log.
  const auto started = Start(Shell("sleep 100"));
  ASSERT_TRUE(started.ok());
  int helpers = 0;
  for (const ProcStat& stat : ReadAllProcStats()) {
    if (stat.parent != broker_pid_ || stat.pid == started->facts.pid())
      continue;
    ++helpers;
    EXPECT_TRUE(denied(stat.pid, false));
  }
  EXPECT_EQ(helpers, 1);
}

TEST_F(KillTest, KernelThreadsAreRefused) {
  Launch();
  const auto kthreadd = ReadProcStat(2);
  if (!kthreadd.ok() || !kthreadd->kernel_thread)
    GTEST_SKIP() << "no kernel threads in sight";
  EXPECT_TRUE(absl::IsPermissionDenied(Kill(2, {}, SIGKILL).status()));
}

TEST_F(KillTest, ThreadIdsAreRefused) {
  Launch();
  std::atomic<pid_t> id = 0;
  std::atomic<bool> stop = false;
  std::thread thread([&] {
    id = gettid();
    while (!stop) absl::SleepFor(absl::Milliseconds(5));
  });
  WaitFor([&] { return id != 0; }, absl::Seconds(5));
  const absl::Status status = Kill(id, {}, SIGUSR1).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "thread"));
  stop = true;
  thread.join();
}

TEST_F(KillTest, ReusedPidIsNotMeant) {
  Launch();
  const pid_t stranger = Stranger();
  const int64_t ticks = ReadProcStat(stranger)->start_ticks;
  EXPECT_TRUE(
      absl::IsFailedPrecondition(Kill(stranger, ticks - 1, SIGKILL).status()));
  EXPECT_TRUE(Lives(stranger));
  EXPECT_EQ(*Kill(stranger, ticks), 1);
  int status = 0;
  ASSERT_EQ(waitpid(stranger, &status, 0), stranger);
  EXPECT_EQ(WTERMSIG(status), SIGTERM) << "0 stands for TERM";
}

TEST_F(KillTest, TreeOfAStrangerIsReachedWhole) {
  Launch();
  const pid_t top = fork();
  if (top == 0) {
    client_.reset();
    signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < 20; ++i) {
      if (fork() == 0) {
        setsid();
        fork();
        while (true) pause();
      }
    }
    while (true) pause();
  }
  const auto size = [&] {
    return FindDescendants(top, ReadAllProcStats()).size();
  };
  ASSERT_TRUE(WaitFor([&] { return size() == 41; }, absl::Seconds(5)));
  EXPECT_EQ(*Kill(top, {}, SIGKILL, true), 41);
  EXPECT_TRUE(WaitFor(
      [&] {
        while (waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        return ReadAllProcStats().size() > 0 && size() == 0;
      },
      absl::Seconds(5)));
}

TEST_F(KillTest, StartedProgramIsKilledWithItsTree) {
  Launch();
  const auto started = Start(Shell("setsid sleep 1000 & sleep 1000"));
  ASSERT_TRUE(started.ok());
  const std::string id = JobName(started->facts.job());
  ASSERT_TRUE(
      WaitFor([&] { return LivingWith("SPECULA_EXEC_ID", id).size() == 3; },
              absl::Seconds(5)));
  EXPECT_EQ(
      *Kill(started->facts.pid(), started->facts.start_ticks(), SIGTERM, true),
      3);
  EXPECT_TRUE(WaitFor([&] { return LivingWith("SPECULA_EXEC_ID", id).empty(); },
                      absl::Seconds(2)));
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(2)));
  ASSERT_TRUE(
      Serve([&] { return ListStarted().jobs(0).ended(); }, absl::Seconds(2)));
  EXPECT_EQ(ListStarted().jobs(0).exit_signal(), SIGTERM);
}

TEST_F(KillTest, ScopeHolds) {
  for (KillScope scope : {KillScope::kStarted, KillScope::kNone}) {
    options_.jobs.ceiling.kill = scope;
    Launch();
    const pid_t stranger = Stranger();
    EXPECT_TRUE(absl::IsPermissionDenied(Kill(stranger, {}, SIGKILL).status()));
    EXPECT_TRUE(Lives(stranger));
    const auto started = Start(Shell("sleep 1000 & wait"));
    ASSERT_TRUE(started.ok());
    ASSERT_TRUE(WaitFor(
        [&] {
          return LivingWith("SPECULA_EXEC_ID", JobName(started->facts.job()))
                     .size() == 2;
        },
        absl::Seconds(5)));
    for (pid_t pid :
         LivingWith("SPECULA_EXEC_ID", JobName(started->facts.job()))) {
      EXPECT_EQ(Kill(pid, {}, SIGKILL).ok(), scope == KillScope::kStarted);
    }
    CloseFront();
    kill(stranger, SIGKILL);
    waitpid(stranger, nullptr, 0);
  }
}

}  // namespace
}  // namespace specula::agent
