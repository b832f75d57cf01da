// Starts: they outlive client, front and broker, and their logs cannot fill a
// disk.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/cgroup.h"
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

  broker::StartedJob RecordOf(uint64_t job) {
    const broker::StartedJobs started = ListStarted();
    for (const broker::StartedJob& record : started.jobs()) {
      if (record.job() == job) return record;
    }
    return {};
  }

  // What lives of it.
  static std::vector<pid_t> Living(uint64_t job) {
    return LivingWith("SPECULA_EXEC_ID", JobName(job));
  }

  int FilesIn(const std::string& name) const {
    std::error_code ignored;
    return static_cast<int>(std::distance(
        std::filesystem::directory_iterator(Path(name), ignored), {}));
  }

  static int AllDescriptorsOf(pid_t pid) {
    std::error_code ignored;
    return static_cast<int>(
        std::distance(std::filesystem::directory_iterator(
                          absl::StrCat("/proc/", pid, "/fd"), ignored),
                      {}));
  }
};

// Started programs that leave something behind, with control groups and
// without.
class LeftTest : public StartTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    StartTest::SetUp();
    options_.jobs.use_cgroups = GetParam();
    if (GetParam() && !CgroupPool::Create("probe").ok())
      GTEST_SKIP() << "no writable cgroup2 here";
  }

  // The groups that the broker has, with those that it keeps in store.
  int GroupsOf(const std::string& group) const {
    if (group.empty()) return 0;
    std::error_code ignored;
    const auto parent = std::filesystem::path(group).parent_path();
    int count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(parent, ignored))
      count += entry.is_directory(ignored) ? 1 : 0;
    return count;
  }

  // Starts a program that leaves `line` behind, and waits for its end.
  uint64_t Leave(absl::string_view line) {
    const auto started = Start(Shell(absl::StrCat(line, " & exit 0")));
    EXPECT_TRUE(started.ok()) << started.status();
    if (!started.ok()) return 0;
    const uint64_t job = started->facts.job();
    EXPECT_TRUE(WaitFor([&] { return Ended(job); }, absl::Seconds(20)));
    return job;
  }
};

INSTANTIATE_TEST_SUITE_P(Supervision, LeftTest, ::testing::Values(true, false),
                         [](const auto& info) {
                           return info.param ? "Cgroup" : "Session";
                         });

TEST_P(LeftTest, NothingIsHeldForWhatHasEnded) {
  constexpr int kStarts = 200;
  Launch();
  ASSERT_EQ(Exec(Argv({"true"})).exited->code(), 0);
  const auto first = Start(Shell("exit 0"));
  ASSERT_TRUE(first.ok());
  const std::string group = RecordOf(first->facts.job()).cgroup();
  ASSERT_EQ(group.empty(), !GetParam());
  ASSERT_TRUE(WaitFor([&] { return Describe().running_count() == 0; },
                      absl::Seconds(20)));
  const int descriptors = AllDescriptorsOf(broker_pid_);
  const int groups = GroupsOf(group);
  // All together, so that none has ended while the next one is begun.
  for (int i = 0; i < kStarts; ++i) {
    const auto started = Start(
        Shell(absl::StrCat("while [ ! -e ", Path("end"),
                           " ]; do sleep 0.2; done >/dev/null 2>&1 & exit 0")));
    ASSERT_TRUE(started.ok()) << started.status();
  }
  const auto all_ended = [&] {
    const broker::StartedJobs jobs = ListStarted();
    return std::all_of(jobs.jobs().begin(), jobs.jobs().end(),
                       [](const auto& job) { return job.ended(); });
  };
  ASSERT_TRUE(WaitFor(all_ended, absl::Seconds(60)));
  EXPECT_EQ(Describe().running_count(), kStarts);
  // One for each, and a few for what is under way.
  EXPECT_LE(AllDescriptorsOf(broker_pid_), descriptors + kStarts + 8);
  WriteFile(Path("end"), "");
  EXPECT_TRUE(WaitFor([&] { return Describe().running_count() == 0; },
                      absl::Seconds(120)))
      << Describe().running_count();
  EXPECT_TRUE(
      WaitFor([&] { return AllDescriptorsOf(broker_pid_) <= descriptors; },
              absl::Seconds(20)))
      << AllDescriptorsOf(broker_pid_) << ", before " << descriptors;
  EXPECT_LE(GroupsOf(group), groups);
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(20)));
}

TEST_P(LeftTest, WhatIsLeftCountsAsStarted) {
  options_.jobs.ceiling.max_started = 3;
  Launch();
  std::vector<uint64_t> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(Leave("sleep 1000"));
  const auto refused = Start(Shell("exit 0"));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  const std::vector<pid_t> left = Living(jobs[1]);
  ASSERT_EQ(left.size(), 1u);
  kill(left[0], SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return Describe().running_count() == 2; },
                      absl::Seconds(20)));
  EXPECT_TRUE(Start(Shell("sleep 1000")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Start(Shell("exit 0")).status()));
}

TEST_P(LeftTest, WhatGoesFromOneProcessToTheNextIsFollowed) {
  Launch();
  // Each one outlives its parent.
  const uint64_t job = Leave(
      "f() { if [ $1 -gt 0 ]; then (sleep 0.3; f $(($1 - 1))) & fi; }; f 5");
  EXPECT_EQ(Describe().running_count(), 1);
  EXPECT_TRUE(WaitFor([&] { return Describe().running_count() == 0; },
                      absl::Seconds(60)));
  EXPECT_TRUE(Living(job).empty());
}

TEST_P(LeftTest, NextBrokerKnowsWhatWasLeft) {
  options_.jobs.ceiling.max_started = 2;
  Launch();
  const uint64_t first = Leave("sleep 1000");
  const uint64_t second = Leave("sleep 1000");
  KillBroker();
  // The second one's program is taken to run, as if it had ended meanwhile.
  const std::string path =
      Path(absl::StrCat("state/started/", JobName(second), ".job"));
  broker::StartedJob record;
  ASSERT_TRUE(record.ParseFromString(ReadFile(path).value_or("")));
  record.set_ended(false);
  WriteFile(path, record.SerializeAsString());
  // None is kept but for what is left of it.
  options_.jobs.all_logs_bytes = -1;
  Launch();
  EXPECT_EQ(Describe().running_count(), 2);
  EXPECT_TRUE(Ended(first) && Ended(second));
  EXPECT_TRUE(absl::IsResourceExhausted(Start(Shell("exit 0")).status()));
  ASSERT_EQ(Living(first).size(), 1u);
  EXPECT_TRUE(EndTree(first, absl::ZeroDuration()).ok());
  kill(Living(second)[0], SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return Describe().running_count() == 0; },
                      absl::Seconds(20)));
  EXPECT_TRUE(Living(first).empty());
  EXPECT_TRUE(Start(Shell("exit 0")).ok());
  EXPECT_TRUE(absl::IsNotFound(EndTree(first, absl::ZeroDuration())));
}

TEST_P(LeftTest, ProgramThatWasBeingStartedWhenTheBrokerDiedIsEnded) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&, calls = std::make_shared<int>(0)](
                                 MayHang kind, const std::string&) {
    // The first one records that it is about to be started.
    if (kind == MayHang::kState && ++*calls > 1) hold_up.Wait();
  };
  Launch();
  broker::Spawn command =
      Shell(absl::StrCat("sleep 1000 & echo x >", Path("ran"), "; sleep 1000"));
  command.set_start(true);
  const auto begun = Begin(command);
  ASSERT_TRUE(Serve([&] { return ReadFile(Path("ran")).ok(); }));
  const broker::StartedJobs listed = ListStarted();
  KillBroker();
  options_.before_off_loop = {};
  ASSERT_EQ(FilesIn("state/started"), 1);
  Launch();
  EXPECT_EQ(ListStarted().jobs_size(), 0);
  for (const broker::StartedJob& job : listed.jobs()) {
    EXPECT_TRUE(
        WaitFor([&] { return Living(job.job()).empty(); }, absl::Seconds(20)));
  }
  EXPECT_TRUE(WaitFor(
      [&] {
        return FilesIn("state/started") == 0 && FilesIn("state/log") == 0;
      },
      absl::Seconds(20)));
}

// A state directory on a file system of 64 KiB.
class FullTest : public LeftTest {
 protected:
  void SetUp() override {
    LeftTest::SetUp();
    if (IsSkipped()) return;
    const std::string state = Path("state");
    ASSERT_EQ(mkdir(state.c_str(), 0700), 0);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", state.c_str(), "tmpfs", 0, "size=64k") != 0) {
      GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
    }
    mounted_ = true;
  }

  void TearDown() override {
    StartTest::TearDown();
    if (mounted_) umount2(Path("state").c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // Fills it but for `pages`.
  void Fill(int pages) {
    const UniqueFd fd(open(Path("state/filler").c_str(),
                           O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string page(4096, 'x');
    int64_t bytes = 0;
    while (write(fd.get(), page.data(), page.size()) == 4096) bytes += 4096;
    ASSERT_EQ(errno, ENOSPC);
    ASSERT_EQ(ftruncate(fd.get(), bytes - 4096 * pages), 0);
  }

  void ExpectRefused(const absl::StatusOr<BrokerClient::Spawned>& started) {
    EXPECT_TRUE(absl::IsResourceExhausted(started.status()))
        << started.status();
    EXPECT_TRUE(
        absl::StrContains(started.status().message(), Path("state/started/")))
        << started.status();
    EXPECT_TRUE(absl::StrContains(started.status().message(), "make room"))
        << started.status();
    EXPECT_TRUE(LivingWith("SPECULA_TEST_MARK", directory_).empty());
    EXPECT_EQ(ListStarted().jobs_size(), 0);
    EXPECT_TRUE(WaitFor(
        [&] {
          return FilesIn("state/started") == 0 && FilesIn("state/log") == 0 &&
                 Describe().running_count() == 0;
        },
        absl::Seconds(20)));
  }

  broker::Spawn Marked(absl::string_view line) const {
    broker::Spawn command = Shell(line);
    command.add_environment()->set_name("SPECULA_TEST_MARK");
    command.mutable_environment(0)->set_value(directory_);
    return command;
  }

 private:
  bool mounted_ = false;
};

INSTANTIATE_TEST_SUITE_P(Supervision, FullTest, ::testing::Values(true, false),
                         [](const auto& info) {
                           return info.param ? "Cgroup" : "Session";
                         });

TEST_P(FullTest, WhatCannotBeRecordedDoesNotRun) {
  Launch();
  const auto before = Start(Shell("sleep 1000"));
  ASSERT_TRUE(before.ok()) << before.status();
  KillBroker();
  Fill(0);
  Launch();
  ASSERT_EQ(ListStarted().jobs_size(), 1);
  EXPECT_TRUE(Lives(before->facts.pid()));
  EXPECT_TRUE(EndTree(before->facts.job(), absl::ZeroDuration()).ok());
  EXPECT_TRUE(
      WaitFor([&] { return Ended(before->facts.job()); }, absl::Seconds(20)));
  KillBroker();
  std::filesystem::remove_all(Path("state/started"));
  std::filesystem::remove_all(Path("state/log"));
  std::filesystem::remove(Path("state/filler"));
  Launch();
  ASSERT_TRUE(
      WaitFor([&] { return FilesIn("state") == 2; }, absl::Seconds(20)));
  Fill(0);
  ExpectRefused(
      Start(Marked(absl::StrCat("echo x >", Path("ran"), "; sleep 1000"))));
  EXPECT_FALSE(std::filesystem::exists(Path("ran")));
  EXPECT_EQ(Exec(Argv({"echo", "ok"})).out, "ok\n");
  std::filesystem::remove(Path("state/filler"));
  EXPECT_TRUE(Start(Shell("sleep 1000")).ok());
}

TEST_P(FullTest, WhatCannotBeRecordedAnyMoreIsEndedBeforeTheAnswer) {
  Launch();
  ASSERT_EQ(Exec(Argv({"true"})).exited->code(), 0);
  // Room for the record that it is about to be started, and not for the next.
  Fill(1);
  broker::Spawn command = Marked("(setsid sleep 1000 &); sleep 1000");
  command.set_idempotency_key("k");
  ExpectRefused(Start(command));
  // Of one that ends at once nothing lives on either.
  ExpectRefused(Start(Marked("exit 0")));
  ExpectRefused(Start(Marked("(setsid sleep 1000 &); exit 0")));
  std::filesystem::remove(Path("state/filler"));
  const auto again = Start(command);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->facts.repeated_start());
  // What was answered OK is known to the next broker.
  Fill(0);
  KillBroker();
  Launch();
  ASSERT_EQ(ListStarted().jobs_size(), 1);
  EXPECT_TRUE(Lives(again->facts.pid()));
}

TEST_F(StartTest, StartOnItsWayIsRefusedWhenTheBrokerEnds) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&, calls = std::make_shared<int>(0)](
                                 MayHang kind, const std::string&) {
    if (kind == MayHang::kState) hold_up.Wait();
  };
  Launch();
  broker::Spawn command = Shell(absl::StrCat("echo x >", Path("ran")));
  command.set_start(true);
  const auto begun = Begin(command);
  EXPECT_EQ(Describe().running_count(), 0);
  kill(broker_pid_, SIGTERM);
  EXPECT_TRUE(Serve([&] { return !absl::IsUnknown(begun->status); }));
  EXPECT_FALSE(begun->status.ok());
  CloseFront();
  EXPECT_FALSE(std::filesystem::exists(Path("ran")));
}

TEST_F(StartTest, WhatHasAnUnreadableRecordIsNotSwept) {
  Launch();
  const auto started = Start(Shell("sleep 1000"));
  ASSERT_TRUE(started.ok());
  KillBroker();
  WriteFile(Path(absl::StrCat("state/started/", JobName(started->facts.job()),
                              ".job")),
            "\xff\xff");
  WriteFile(Path("state/started/0123456789abcdef.job.tmp"), "half of it");
  Launch();
  EXPECT_EQ(ListStarted().jobs_size(), 0);
  EXPECT_TRUE(Lives(started->facts.pid()));
  EXPECT_EQ(FilesIn("state/started"), 1);
}

TEST_F(StartTest, BrokerDoesNotBeginIfItCannotKnowWhatWasStarted) {
  Launch();
  const auto started = Start(Shell("sleep 1000"));
  ASSERT_TRUE(started.ok());
  KillBroker();
  std::filesystem::rename(Path("state/started"), Path("state/elsewhere"));
  WriteFile(Path("state/started"), "");
  const auto store = StartedStore::Open(Path("state"), 0, nullptr);
  EXPECT_FALSE(store.ok());
  EXPECT_TRUE(
      absl::StrContains(store.status().message(), Path("state/started")))
      << store.status();
  std::filesystem::remove(Path("state/started"));
  std::filesystem::rename(Path("state/elsewhere"), Path("state/started"));
  EXPECT_TRUE(Lives(started->facts.pid()));
}

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
  const auto short_lived = Start(Shell("exit 0"));
  ASSERT_TRUE(short_lived.ok());
  const uint64_t job = short_lived->facts.job();
  ASSERT_TRUE(WaitFor([&] { return Ended(job); }, absl::Seconds(5)));
  broker::StartedJob record = RecordOf(job);
  KillBroker();
  // As if the pid had gone to a process that began later.
  record.set_ended(false);
  record.set_pid(started->facts.pid());
  record.set_start_ticks(started->facts.start_ticks() - 1);
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

TEST_F(StartTest, ProgramWhoseRecordIsLateIsEndedAndRefused) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&, calls = std::make_shared<int>(0)](
                                 MayHang kind, const std::string&) {
    // The first one records that it is about to be started.
    if (kind == MayHang::kState && ++*calls > 1) hold_up.Wait();
  };
  Launch();
  broker::Spawn command = Shell(absl::StrCat("(setsid sleep 1000 &); echo x >",
                                             Path("ran"), "; exec sleep 1000"));
  command.add_environment()->set_name("SPECULA_TEST_MARK");
  command.mutable_environment(0)->set_value(directory_);
  const auto started = Start(command);
  EXPECT_TRUE(absl::IsDeadlineExceeded(started.status())) << started.status();
  EXPECT_TRUE(absl::StrContains(started.status().message(), Path("state")))
      << started.status();
  EXPECT_TRUE(std::filesystem::exists(Path("ran")));
  EXPECT_TRUE(LivingWith("SPECULA_TEST_MARK", directory_).empty());
  EXPECT_EQ(ListStarted().jobs_size(), 0);
  EXPECT_EQ(FilesIn("state/started"), 1);
  hold_up.LetGo();
  // It is written, and removed again.
  EXPECT_TRUE(WaitFor(
      [&] {
        return FilesIn("state/started") == 0 && FilesIn("state/log") == 0;
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
