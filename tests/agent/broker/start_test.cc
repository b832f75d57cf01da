// Starts: they outlive client, front and broker, and their logs cannot fill a
// disk.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/log_pump.h"
#include "agent/broker/proc_stat.h"
#include "lib/base/file.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

bool Lives(int64_t pid) {
  const auto stat = ReadProcStat(pid);
  return stat.ok() && !stat->dead();
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

class StartTest : public BrokerTest {
 protected:
  bool Ended(uint64_t job) {
    const broker::StartedJobs started = ListStarted();
    for (const broker::StartedJob& record : started.jobs()) {
      if (record.job() == job) return record.ended();
    }
    return false;
  }
};

TEST_F(StartTest, OutputOfBothKindsGoesToTheLog) {
  Launch();
  const auto started = Start(Shell("echo out; echo error >&2; exit 3"));
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_FALSE(started->out.valid());
  EXPECT_EQ(started->facts.boot_id(), ReadBootId());
  ASSERT_TRUE(
      WaitFor([&] { return Ended(started->facts.job()); }, absl::Seconds(5)));
  EXPECT_TRUE(WaitFor(
      [&] {
        return ReadFile(started->facts.log_path()).value_or("") ==
               "out\nerror\n";
      },
      absl::Seconds(5)));
  EXPECT_EQ(ListStarted().jobs(0).exit_code(), 3);
  struct stat info;
  ASSERT_EQ(stat(started->facts.log_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(2)));
}

TEST_F(StartTest, WhatCannotStartIsAnErrorAndLeavesNothing) {
  Launch();
  const auto started = Start(Argv({"/no/such"}));
  EXPECT_TRUE(absl::IsNotFound(started.status()));
  EXPECT_EQ(ListStarted().jobs_size(), 0);
  const ExecResult listing = Exec(Argv({"ls", Path("state/log")}));
  EXPECT_EQ(listing.out, "");
}

TEST_F(StartTest, SameKeyIsTheSameStart) {
  Launch();
  broker::Spawn command =
      Shell(absl::StrCat("echo x >>", Path("count"), "; sleep 60"));
  command.set_idempotency_key("k1");
  // Both on their way at once, and a third later.
  broker::Spawn start = command;
  start.set_start(true);
  const auto first = Begin(start);
  const auto second = Begin(start);
  ASSERT_TRUE(Serve([&] { return first->status.ok() && second->status.ok(); }));
  const auto third = Start(command);
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(first->spawned.facts.pid(), second->spawned.facts.pid());
  EXPECT_EQ(first->spawned.facts.pid(), third->facts.pid());
  EXPECT_FALSE(first->spawned.facts.repeated_start());
  EXPECT_TRUE(second->spawned.facts.repeated_start());
  EXPECT_TRUE(third->facts.repeated_start());
  EXPECT_TRUE(
      WaitFor([&] { return ReadFile(Path("count")).ok(); }, absl::Seconds(2)));
  EXPECT_EQ(*ReadFile(Path("count")), "x\n");

  broker::Spawn other = Shell("sleep 61");
  other.set_idempotency_key("k1");
  EXPECT_TRUE(absl::IsAlreadyExists(Start(other).status()));
  other.set_caller("another");
  EXPECT_TRUE(Start(other).ok()) << "a key is its caller's";
}

TEST_F(StartTest, SurvivesTheFrontAndIsKnownToTheNext) {
  // The front is a process of its own here; it tells us what it did.
  broker_pid_ = fork();
  if (broker_pid_ == 0) {
    auto broker = Broker::Create(options_);
    if (!broker.ok()) _exit(1);
    const auto front = [&](UniqueFd channel) {
      // Opened by name: the broker leaves a front no descriptor but its
      // channel.
      const std::string report = Path("report");
      client_ = std::make_unique<BrokerClient>(std::move(channel),
                                               [](absl::Status) {});
      const broker::StartedJobs known = ListStarted();
      int64_t pid = 0;
      if (known.jobs_size() == 0) {
        auto started = Start(
            Shell("trap '' HUP; while :; do echo tick; sleep 0.05; done"));
        auto exec = Begin(Shell("exec sleep 1000"));
        Serve([&] { return exec->status.ok(); });
        pid = started->facts.pid();
        WriteFile(Path("exec"), absl::StrCat(exec->spawned.facts.pid()));
      } else {
        pid = known.jobs(0).pid();
      }
      WriteFile(report + ".new",
                absl::StrCat(getpid(), " ", pid, " ", known.jobs_size()));
      rename((report + ".new").c_str(), report.c_str());
      Serve([] { return false; }, absl::Seconds(60));
      return 0;
    };
    const absl::Status status = (*broker)->Run(front);
    _exit(status.ok() ? 0 : 1);
  }
  const auto report = [&](int known, long& front, long& job) {
    return WaitFor(
        [&] {
          const auto text = ReadFile(Path("report"));
          int count = -1;
          return text.ok() &&
                 sscanf(text->c_str(), "%ld %ld %d", &front, &job, &count) ==
                     3 &&
                 count == known;
        },
        absl::Seconds(5));
  };
  long front = 0, job = 0, next_front = 0, same_job = 0;
  ASSERT_TRUE(report(0, front, job));
  const long exec = std::stol(*ReadFile(Path("exec")));
  EXPECT_TRUE(Lives(job) && Lives(exec));
  kill(static_cast<pid_t>(front), SIGKILL);
  ASSERT_TRUE(report(1, next_front, same_job))
      << "no next front, or it does not know";
  EXPECT_NE(front, next_front);
  EXPECT_EQ(job, same_job);
  EXPECT_TRUE(Lives(job));
  EXPECT_TRUE(WaitFor([&] { return !Lives(exec); }, absl::Seconds(2)));
  const auto log_bytes = [&] {
    int64_t bytes = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(Path("state/log"))) {
      bytes += SizeOf(file.path());
    }
    return bytes;
  };
  const int64_t before = log_bytes();
  EXPECT_TRUE(WaitFor([&] { return log_bytes() > before; }, absl::Seconds(2)))
      << "its log stands";
  kill(broker_pid_, SIGTERM);
  int status = -1;
  EXPECT_TRUE(WaitFor(
      [&] { return waitpid(broker_pid_, &status, WNOHANG) == broker_pid_; },
      absl::Seconds(5)));
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(Lives(next_front));
  EXPECT_TRUE(Lives(job)) << "a Start outlives the broker";
}

TEST_F(StartTest, NextBrokerTakesOverAndCanEndIt) {
  for (bool cgroups : {true, false}) {
    options_.jobs.use_cgroups = cgroups;
    Launch();
    const auto started =
        Start(Shell("sleep 1000 & trap '' TERM; while :; do sleep 1; done"));
    const auto short_lived = Start(Shell("sleep 0.2"));
    ASSERT_TRUE(started.ok() && short_lived.ok());
    const auto exec = Begin(Shell("setsid sleep 1000 & sleep 1000"));
    ASSERT_TRUE(Serve([&] { return exec->status.ok(); }));
    const int64_t pid = started->facts.pid();
    KillBroker();
    EXPECT_TRUE(WaitFor([&] { return !Lives(exec->spawned.facts.pid()); },
                        absl::Seconds(1)))
        << "an Exec does not outlive its broker";
    ASSERT_TRUE(Lives(pid));
    WaitFor([&] { return !Lives(short_lived->facts.pid()); }, absl::Seconds(2));

    Launch();
    EXPECT_FALSE(Ended(started->facts.job()));
    EXPECT_TRUE(Ended(short_lived->facts.job()));
    EXPECT_TRUE(EndTree(started->facts.job(), absl::Milliseconds(100)).ok());
    EXPECT_TRUE(
        WaitFor([&] { return Ended(started->facts.job()); }, absl::Seconds(3)));
    EXPECT_FALSE(Lives(pid));
    CloseFront();
  }
}

TEST_F(StartTest, RecordOfAReusedPidIsNotTakenOver) {
  Launch();
  const auto started = Start(Shell("sleep 1000"));
  ASSERT_TRUE(started.ok());
  broker::StartedJob record = ListStarted().jobs(0);
  KillBroker();
  // As if the pid had gone to a process that began later.
  record.set_start_ticks(record.start_ticks() - 1);
  WriteFile(Path(absl::StrCat("state/started/", JobName(record.job()), ".job")),
            record.SerializeAsString());
  Launch();
  EXPECT_TRUE(Ended(record.job()));
  EXPECT_TRUE(absl::IsNotFound(EndTree(record.job(), absl::ZeroDuration())));
  EXPECT_TRUE(Lives(record.pid()));
}

TEST_F(StartTest, TwoBrokersDoNotShareADirectory) {
  Launch();
  ASSERT_TRUE(Start(Shell("sleep 1000")).ok());
  const auto second = StartedStore::Open(Path("state"), 0, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

TEST_F(StartTest, AnotherAgentsBrokerLeavesAloneWhatADeadOneStarted) {
  Launch();
  const auto started = Start(Shell("sleep 1000"));
  ASSERT_TRUE(started.ok());
  KillBroker();
  options_.jobs.state_directory = Path("other");
  Launch();
  ASSERT_EQ(ListStarted().jobs_size(), 0);
  EXPECT_TRUE(Lives(started->facts.pid()));
}

TEST_F(StartTest, LogCapHoldsUnderAGibibyte) {
  options_.jobs.log_bytes = 1 << 20;
  Launch();
  const auto started =
      Start(Shell("head -c 1073741824 /dev/zero; echo the end"));
  ASSERT_TRUE(started.ok());
  const std::string log = started->facts.log_path();
  int64_t most = 0;
  EXPECT_TRUE(WaitFor(
      [&] {
        most = std::max(most, SizeOf(log) + SizeOf(RotatedLogPath(log)));
        return Ended(started->facts.job()) &&
               absl::EndsWith(ReadFile(log, 2 << 20).value_or(""), "the end\n");
      },
      absl::Seconds(60)));
  EXPECT_GE(most, 1 << 20);
  EXPECT_LE(most, 2 << 20);
}

TEST_F(StartTest, LogsOfEndedOnesArePrunedTogether) {
  options_.jobs.all_logs_bytes = 100'000;
  Launch();
  for (int i = 0; i < 6; ++i) {
    const auto started = Start(Shell("head -c 40000 /dev/zero"));
    ASSERT_TRUE(started.ok());
    ASSERT_TRUE(WaitFor(
        [&] {
          return SizeOf(started->facts.log_path()) == 40'000 &&
                 Ended(started->facts.job());
        },
        absl::Seconds(5)));
  }
  EXPECT_LE(ListStarted().jobs_size(), 4);
}

TEST_F(StartTest, DaemonThatItLeavesLivesOnAndIsStillItsTree) {
  Launch();
  const auto started = Start(Shell("setsid sleep 1000 & exit 0"));
  ASSERT_TRUE(started.ok());
  EXPECT_TRUE(
      WaitFor([&] { return Ended(started->facts.job()); }, absl::Seconds(2)));
  WaitFor([] { return false; },
          absl::Seconds(2.5));  // longer than an Exec's drain
  const std::string id = JobName(started->facts.job());
  EXPECT_EQ(LivingWith("SPECULA_EXEC_ID", id).size(), 1u);
  EXPECT_TRUE(EndTree(started->facts.job(), absl::Seconds(1)).ok());
  EXPECT_TRUE(WaitFor([&] { return LivingWith("SPECULA_EXEC_ID", id).empty(); },
                      absl::Seconds(2)));
}

TEST_F(StartTest, StateDirectoryThatDoesNotAnswerFailsTheStartInTime) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&](MayHang kind, const std::string&) {
    if (kind == MayHang::kState) hold_up.Wait();
  };
  Launch();
  for (int i = 0; i < 2; ++i) {
    const auto started = Start(Shell("echo never"));
    EXPECT_TRUE(absl::IsDeadlineExceeded(started.status()));
    EXPECT_TRUE(absl::StrContains(started.status().message(), Path("state")))
        << started.status();
    EXPECT_EQ(Exec(Argv({"echo", "ok"})).out, "ok\n");
  }
  EXPECT_EQ(ListStarted().jobs_size(), 0);
  hold_up.LetGo();
  EXPECT_TRUE(WaitFor([&] { return Start(Shell("sleep 1000")).ok(); },
                      absl::Seconds(20)));
  // What came too late is gone again.
  EXPECT_EQ(ListStarted().jobs_size(), 1);
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(Path("state/log")), {}),
      1);
}

TEST_F(StartTest, ProgramWhoseRecordIsLateRunsAndIsRecordedLater) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&, calls = std::make_shared<int>(0)](
                                 MayHang kind, const std::string&) {
    // The first one makes the log.
    if (kind == MayHang::kState && ++*calls > 1) hold_up.Wait();
  };
  Launch();
  const auto started = Start(Shell("sleep 1000"));
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_TRUE(Lives(started->facts.pid()));
  EXPECT_EQ(ListStarted().jobs_size(), 1);
  const std::string record = Path(
      absl::StrCat("state/started/", JobName(started->facts.job()), ".job"));
  EXPECT_FALSE(std::filesystem::exists(record));
  EXPECT_TRUE(EndTree(started->facts.job(), absl::ZeroDuration()).ok());
  EXPECT_TRUE(
      WaitFor([&] { return Ended(started->facts.job()); }, absl::Seconds(20)));
  hold_up.LetGo();
  EXPECT_TRUE(WaitFor(
      [&] {
        broker::StartedJob job;
        return job.ParseFromString(ReadFile(record).value_or("")) &&
               job.exit_signal() == SIGKILL;
      },
      absl::Seconds(20)));
}

TEST(PumpLogTest, RotatesBeforeTheBound) {
  char directory[] = "/tmp/specula-pump-test.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = absl::StrCat(directory, "/log");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "0123456789abcdefghijKLM", 23), 23);
  close(ends[1]);
  PumpLog(ends[0], *OpenLog(path), path, 10);
  close(ends[0]);
  EXPECT_EQ(*ReadFile(path), "KLM");
  EXPECT_EQ(*ReadFile(RotatedLogPath(path)), "abcdefghij");
  unlink(path.c_str());
  unlink(RotatedLogPath(path).c_str());
  rmdir(directory);
}

}  // namespace
}  // namespace specula::agent
