// Execs through a real broker: what the program is given, and that its end is
// told exactly.

#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/started_store.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

using ExecTest = BrokerTest;

TEST_F(ExecTest, EveryExitCodeIsToldExactly) {
  Launch();
  for (int code = 0; code <= 255; ++code) {
    const ExecResult result = Exec(Shell(absl::StrCat("exit ", code)));
    ASSERT_TRUE(result.status.ok()) << result.status;
    ASSERT_TRUE(result.exited->has_code()) << code;
    ASSERT_FALSE(result.exited->has_signal()) << code;
    ASSERT_EQ(result.exited->code(), code);
    ASSERT_EQ(result.gone->killed_count(), 0) << code;
  }
}

TEST_F(ExecTest, EverySignalIsToldExactly) {
  // Those that end nobody by default, and libc's own.
  const std::set<int> harmless = {SIGCHLD, SIGCONT, SIGSTOP,  SIGTSTP, SIGTTIN,
                                  SIGTTOU, SIGURG,  SIGWINCH, 32,      33};
  Launch();
  for (int number = 1; number <= 64; ++number) {
    if (harmless.count(number) > 0) continue;
    const ExecResult result =
        Exec(Shell(absl::StrCat("kill -", number, " $$; sleep 5")));
    ASSERT_TRUE(result.status.ok()) << result.status;
    ASSERT_FALSE(result.exited->has_code()) << number;
    ASSERT_EQ(result.exited->signal(), number);
  }
}

TEST_F(ExecTest, LeftOverProcessIsKilledAfterTheDrainAndCounted) {
  Launch();
  broker::Spawn command = Shell("sleep 1000 & exit 7");
  command.add_environment()->set_name("SPECULA_TEST_MARK");
  command.mutable_environment(0)->set_value(directory_);
  const ExecResult result = Exec(command);
  EXPECT_EQ(result.exited->code(), 7);
  EXPECT_EQ(result.gone->killed_count(), 1);
  EXPECT_TRUE(result.gone->drain_over());
  EXPECT_GE(result.wall, absl::Seconds(1.9));
  EXPECT_LT(result.wall, absl::Seconds(3));
  EXPECT_TRUE(LivingWith("SPECULA_TEST_MARK", directory_).empty());
}

TEST_F(ExecTest, LeftOverProcessWithoutThePipeIsKilledAtOnce) {
  Launch();
  const ExecResult result = Exec(Shell("sleep 1000 >/dev/null 2>&1 & exit 3"));
  EXPECT_EQ(result.exited->code(), 3);
  EXPECT_EQ(result.gone->killed_count(), 1);
  EXPECT_FALSE(result.gone->drain_over());
  EXPECT_LT(result.wall, absl::Seconds(1));
}

TEST_F(ExecTest, StreamsAreApartAndExact) {
  Launch();
  const ExecResult result =
      Exec(Shell(R"(printf 'a\000b\377'; printf 'e\n\n' >&2)"));
  EXPECT_EQ(result.out, std::string("a\0b\377", 4));
  EXPECT_EQ(result.error, "e\n\n");
}

TEST_F(ExecTest, MergedStreamsKeepTheirOrder) {
  Launch();
  broker::Spawn command = Shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2");
  command.set_merge_stderr(true);
  const ExecResult result = Exec(command);
  EXPECT_EQ(result.out, "1\n2\n3\n4\n");
  EXPECT_FALSE(result.spawned.error.valid());
}

TEST_F(ExecTest, InputIsGivenAndThenItsEnd) {
  Launch();
  const std::string input(300'000, 'x');
  EXPECT_EQ(Exec(Argv({"wc", "-c"}), input).out, "300000\n");
  EXPECT_EQ(Exec(Shell("cat; readlink /proc/self/fd/0")).out, "/dev/null\n");
}

TEST_F(ExecTest, ArgumentsAreNeverSplitOrJoined) {
  Launch();
  const ExecResult result =
      Exec(Argv({"printf", "[%s]", "a b", "", "$HOME", "'\"\\", "\n"}));
  EXPECT_EQ(result.out, "[a b][][$HOME]['\"\\][\n]");
}

TEST_F(ExecTest, ProgramSeesOnlyThreeDescriptors) {
  Launch();
  // While the broker holds those of others.
  std::vector<std::shared_ptr<ExecResult>> others;
  for (int i = 0; i < 5; ++i) others.push_back(Begin(Shell("exec sleep 20")));
  ASSERT_TRUE(Serve([&] { return others.back()->status.ok(); }));
  // The fourth is ls's own, of the directory it lists.
  EXPECT_EQ(Exec(Argv({"ls", "/proc/self/fd"})).out, "0\n1\n2\n3\n");
  EXPECT_TRUE(absl::StrContains(Exec(Argv({"ls", "-l", "/proc/self/fd/"})).out,
                                "3 -> /proc/"));
}

TEST_F(ExecTest, ProgramHasDefaultSignalsAndAnEmptyMask) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  Launch();
  signal(SIGPIPE, SIG_DFL);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(
      Exec(Argv({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"})).out,
      "SigBlk:\t0000000000000000\n"
      "SigIgn:\t0000000000000000\n");
}

TEST_F(ExecTest, EnvironmentIsByteForByteWhatWasAskedFor) {
  setenv("SPECULA_SECRET_OF_OURS", "token", 1);
  options_.jobs.ceiling.default_user = "";
  Launch();
  unsetenv("SPECULA_SECRET_OF_OURS");
  broker::Spawn command = Argv({"cat", "/proc/self/environ"});
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"B", "two words"},
                                                        {"A", ""},
                                                        {"LANG", "xx"},
                                                        {"B", "last \n\377"}}) {
    command.add_environment()->set_name(name);
    command.mutable_environment(command.environment_size() - 1)
        ->set_value(value);
  }
  UserFiles files;
  const auto user = files.Find(geteuid());
  ASSERT_TRUE(user.ok());
  const ExecResult result = Exec(command);
  const std::string nul(1, '\0');
  EXPECT_EQ(
      result.out,
      absl::StrCat(
          "A=", nul, "B=last \n\377", nul, "HOME=", user->home, nul, "LANG=xx",
          nul, "LOGNAME=", user->name, nul,
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          nul, "SHELL=", user->shell, nul, "SPECULA_EXEC_ID=",
          JobName(result.spawned.facts.job()), nul, "USER=", user->name, nul));
}

TEST_F(ExecTest, ProgramLeadsASessionOfItsOwn) {
  Launch();
  const ExecResult result = Exec(Argv({"cat", "/proc/self/stat"}));
  const auto stat = ParseProcStat(result.out);
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->pid, result.spawned.facts.pid());
  EXPECT_EQ(stat->session, stat->pid);
  EXPECT_EQ(stat->start_ticks, result.spawned.facts.start_ticks());
}

TEST_F(ExecTest, UmaskLimitsAndDirectoryAreThoseOfALogin) {
  umask(077);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few = {300, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  Launch();
  umask(022);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(Exec(Shell("umask; ulimit -c; ulimit -Sn")).out, "0022\n0\n1024\n");
  broker::Spawn command = Argv({"pwd"});
  command.set_working_directory("/usr/bin");
  EXPECT_EQ(Exec(command).out, "/usr/bin\n");
}

TEST_F(ExecTest, OtherUserIsTakenOnWithHisGroups) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  // Groups of the broker's, of which he must have none.
  const gid_t groups[] = {4, 27};
  ASSERT_EQ(setgroups(2, groups), 0);
  Launch();
  setgroups(0, nullptr);
  broker::Spawn command = Shell(
      "id -un; id -gn; id -Gn; pwd; echo $HOME; cat /proc/self/status | "
      "grep CapEff");
  command.set_user("daemon");
  EXPECT_EQ(Exec(command).out,
            "daemon\ndaemon\ndaemon\n/usr/sbin\n/usr/"
            "sbin\nCapEff:\t0000000000000000\n");
  command.set_user("nobody");  // his home is not there
  EXPECT_TRUE(absl::StartsWith(Exec(command).out,
                               "nobody\nnogroup\nnogroup\n/\n/nonexistent\n"));
}

TEST_F(ExecTest, EachReasonNotToStartIsToldApartWithItsPath) {
  Launch();
  WriteFile(Path("text"), "just text");
  WriteFile(Path("plain"), "not a program", 0755);
  WriteFile(Path("script"), "#!/no/such/interpreter\n", 0755);
  const auto in_directory = [](const std::string& directory) {
    broker::Spawn command = Argv({"/bin/true"});
    command.set_working_directory(directory);
    return command;
  };
  broker::Spawn nobody = Argv({"/bin/true"});
  nobody.set_user("no-such-user");

  struct Case {
    broker::Spawn command;
    absl::StatusCode code;
    std::string message;
  };
  std::vector<Case> cases = {
      {Argv({"/no/such/program"}), absl::StatusCode::kNotFound,
       "exec(/no/such/program): No such file or directory"},
      {Argv({"no-such-program"}), absl::StatusCode::kNotFound,
       "exec(no-such-program): No such file or directory"},
      {Argv({Path("text")}), absl::StatusCode::kPermissionDenied,
       absl::StrCat("exec(", Path("text"), "): Permission denied")},
      {Argv({"/tmp"}), absl::StatusCode::kPermissionDenied,
       "exec(/tmp): Permission denied"},
      {Argv({Path("plain")}), absl::StatusCode::kFailedPrecondition,
       absl::StrCat("exec(", Path("plain"), "): Exec format error")},
      {Argv({Path("script")}), absl::StatusCode::kNotFound,
       absl::StrCat("exec(", Path("script"),
                    "): the interpreter that it names is not there")},
      {Argv({"true", std::string(200'000, 'x')}),
       absl::StatusCode::kInvalidArgument,
       "exec(/usr/bin/true): Argument list too long"},
      {in_directory("/no/such/directory"), absl::StatusCode::kNotFound,
       "chdir(/no/such/directory): No such file or directory"},
      {in_directory("/etc/passwd"), absl::StatusCode::kFailedPrecondition,
       "chdir(/etc/passwd): Not a directory"},
  };
  if (geteuid() == 0) {
    cases.push_back({nobody, absl::StatusCode::kNotFound,
                     "user(no-such-user): not known on this host"});
    WriteFile(Path("closed"), "");
    chmod(directory_.c_str(), 0700);
    broker::Spawn command = in_directory(directory_);
    command.set_user("daemon");
    cases.push_back(
        {command, absl::StatusCode::kPermissionDenied,
         absl::StrCat("chdir(", directory_, "): Permission denied")});
  }
  for (const Case& c : cases) {
    const ExecResult result = Exec(c.command);
    EXPECT_EQ(result.status.code(), c.code) << result.status;
    EXPECT_EQ(result.status.message(), c.message);
  }
  // And the program's own 127 is data.
  EXPECT_EQ(Exec(Shell("exit 127")).exited->code(), 127);
  EXPECT_EQ(Exec(Shell("no-such-program")).exited->code(), 127);
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(2)));
}

TEST_F(ExecTest, LongMessagesPass) {
  Launch();
  std::vector<std::string> arguments = {
      "sh", "-c", "echo $# $(printf %s \"$@\" | wc -c)", "sh"};
  arguments.insert(arguments.end(), 12, std::string(100'000, 'x'));
  EXPECT_EQ(Exec(Argv(arguments)).out, "12 1200000\n");
  arguments.insert(arguments.end(), 90, std::string(100'000, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(Exec(Argv(arguments)).status))
      << "beyond 8 MiB";
}

TEST_F(ExecTest, UnreasonableRequestsAreRefused) {
  Launch();
  broker::Spawn reserved = Shell("true");
  reserved.add_environment()->set_name("SPECULA_EXEC_ID");
  broker::Spawn equals = Shell("true");
  equals.add_environment()->set_name("A=B");
  broker::Spawn relative = Shell("true");
  relative.set_working_directory("tmp");
  broker::Spawn grace = Shell("true");
  grace.set_grace_milliseconds(-1);
  for (const broker::Spawn& command :
       {Shell(""), Argv({}), Argv({""}), Argv({std::string("a\0b", 3)}),
        reserved, equals, relative, grace, broker::Spawn()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Exec(command).status))
        << command.ShortDebugString();
  }
}

TEST_F(ExecTest, TimeoutEndsTheTree) {
  Launch();
  broker::Spawn command = Shell("sleep 1000 & sleep 1000");
  command.set_timeout_milliseconds(200);
  const ExecResult result = Exec(command);
  EXPECT_EQ(result.exited->signal(), SIGTERM);
  EXPECT_TRUE(result.gone->timed_out());
  EXPECT_LT(result.wall, absl::Seconds(1));
}

TEST_F(ExecTest, CeilingsTimeoutHoldsWhateverIsAsked) {
  options_.jobs.ceiling.max_timeout = absl::Milliseconds(200);
  options_.jobs.ceiling.max_output_bytes = 1000;
  Launch();
  broker::Spawn command = Shell("sleep 1000");
  EXPECT_TRUE(Exec(command).gone->timed_out());
  command.set_timeout_milliseconds(100'000);
  command.set_output_limit_bytes(100'000);
  const ExecResult result = Exec(command);
  EXPECT_TRUE(result.gone->timed_out());
  EXPECT_EQ(result.spawned.facts.output_limit_bytes(), 1000);
}

TEST_F(ExecTest, NoCommandsMeansNone) {
  options_.jobs.ceiling.commands = false;
  Launch();
  for (bool start : {false, true}) {
    broker::Spawn command = Shell(absl::StrCat("touch ", Path("was-run")));
    command.set_start(start);
    const auto result = Begin(command);
    ASSERT_TRUE(Serve([&] { return !absl::IsUnknown(result->status); }));
    EXPECT_TRUE(absl::IsPermissionDenied(result->status)) << result->status;
    EXPECT_TRUE(absl::StrContains(result->status.message(), "ceiling"));
  }
  EXPECT_FALSE(Describe().commands_allowed());
  EXPECT_NE(access(Path("was-run").c_str(), F_OK), 0);
}

TEST_F(ExecTest, CeilingsUsersAndProgramsHold) {
  options_.jobs.ceiling.users = {"daemon"};
  options_.jobs.ceiling.programs = {"/usr/bin/id"};
  Launch();
  EXPECT_TRUE(absl::IsPermissionDenied(Exec(Argv({"id", "-un"})).status))
      << "not as ourselves";
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  broker::Spawn command = Argv({"id", "-un"});
  command.set_user("daemon");
  EXPECT_EQ(Exec(command).out, "daemon\n");
  broker::Spawn shell = Shell("id");
  shell.set_user("daemon");
  EXPECT_TRUE(absl::IsPermissionDenied(Exec(shell).status));
  command.add_environment()->set_name("LD_PRELOAD");
  EXPECT_TRUE(absl::IsPermissionDenied(Exec(command).status));
}

TEST_F(ExecTest, BeyondTheLimitIsRefusedAndTheRestRuns) {
  options_.jobs.ceiling.max_execs = 64;
  Launch();
  std::vector<std::shared_ptr<ExecResult>> all;
  for (int i = 0; i < 200; ++i) all.push_back(Begin(Shell("sleep 1")));
  ASSERT_TRUE(Serve([&] {
    for (const auto& result : all) {
      if (absl::IsUnknown(result->status) ||
          (result->status.ok() && !result->gone))
        return false;
    }
    return true;
  }));
  int run = 0, refused = 0;
  for (const auto& result : all) {
    run += result->status.ok() && result->exited->code() == 0 ? 1 : 0;
    refused += absl::IsResourceExhausted(result->status) ? 1 : 0;
  }
  EXPECT_EQ(run, 64);
  EXPECT_EQ(refused, 136);
}

TEST_F(ExecTest, OneCallerCannotTakeAll) {
  options_.jobs.ceiling.max_execs_per_caller = 2;
  Launch();
  const auto first = Begin(Shell("sleep 20"));
  const auto second = Begin(Shell("sleep 20"));
  EXPECT_TRUE(absl::IsResourceExhausted(Exec(Shell("true")).status));
  broker::Spawn other = Shell("true");
  other.set_caller("another");
  EXPECT_TRUE(Exec(other).status.ok());
}

TEST_F(ExecTest, TwoHundredLeaveNoZombieAndNoDescriptor) {
  Launch();
  ASSERT_TRUE(Exec(Shell("true")).status.ok());
  // Some of them may be on their way out.
  const int descriptors = OpenDescriptorsOf(broker_pid_);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(
        Exec(i % 4 == 0 ? Argv({"/no/such"}) : Shell("true")).status.ok() ==
        (i % 4 != 0));
  }
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(2)));
  EXPECT_EQ(Describe().running_count(), 0);
  EXPECT_TRUE(
      WaitFor([&] { return OpenDescriptorsOf(broker_pid_) <= descriptors; },
              absl::Seconds(2)));
}

TEST_F(ExecTest, OrphansOfTheProgramAreReaped) {
  Launch();
  const ExecResult result =
      Exec(Shell("for i in 1 2 3 4 5; do (sleep 0.2 &) ; done; exit 0"));
  EXPECT_EQ(result.exited->code(), 0);
  EXPECT_TRUE(
      WaitFor([&] { return ZombiesOf(broker_pid_) == 0; }, absl::Seconds(3)));
}

TEST_F(ExecTest, SignalReachesTheProgramAlone) {
  Launch();
  const auto result =
      Begin(Shell("trap 'echo got; exit 4' USR1; echo ready; while :; do sleep "
                  "0.05; done"));
  ASSERT_TRUE(Serve([&] {
    ReadPipes(*result);
    return result->out == "ready\n";
  }));
  client_->Signal(result->spawned.facts.job(), SIGUSR1);
  ASSERT_TRUE(Serve([&] { return result->gone.has_value(); }));
  EXPECT_EQ(result->exited->code(), 4);
}

TEST_F(ExecTest, FactsAreThoseOfTheProgram) {
  Launch();
  const ExecResult result = Exec(
      Shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.2"));
  EXPECT_GT(result.exited->user_microseconds(), 10'000);
  EXPECT_GT(result.exited->wall_microseconds(), 200'000);
  EXPECT_LT(result.exited->user_microseconds(),
            result.exited->wall_microseconds());
  EXPECT_GT(result.exited->peak_memory_bytes(), 500'000);
}

TEST_F(ExecTest, BrokerSleepsWhileNothingHappens) {
  Launch();
  const auto running = Begin(Shell("exec sleep 20"));
  ASSERT_TRUE(Serve([&] { return running->status.ok(); }));
  const auto switches = [&] {
    const ExecResult result =
        Exec(Argv({"sed", "-n", "s/^voluntary_ctxt_switches:\\s*//p",
                   absl::StrCat("/proc/", broker_pid_, "/status")}));
    return std::stol(result.out);
  };
  const long quick = switches();
  const long cost = switches() - quick;  // of asking
  const long before = switches();
  WaitFor([] { return false; }, absl::Seconds(1));
  EXPECT_LE(switches() - before, cost + 5);
}

TEST_F(ExecTest, UsersThatDoNotAnswerFailTheExecInTime) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&](MayHang kind, const std::string&) {
    if (kind == MayHang::kUsers) hold_up.Wait();
  };
  Launch();
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = Exec(Argv({"true"})).status;
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "/etc/passwd")) << status;
    Describe();
  }
  hold_up.LetGo();
  EXPECT_TRUE(WaitFor([&] { return Exec(Argv({"true"})).status.ok(); },
                      absl::Seconds(20)));
}

}  // namespace
}  // namespace specula::agent
