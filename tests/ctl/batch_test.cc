// `specula exec` on many hosts, against fake agents: the real program, the real
// channels.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

// Agents vm1, vm2, … of an inventory; `on_exec` gets the number, from 1 on.
class BatchTest : public ::testing::Test {
 protected:
  using OnExec = std::function<void(size_t, const ExecScript&)>;

  void MakeFleet(size_t count, const OnExec& on_exec) {
    for (size_t i = 1; i <= count; ++i) {
      agents_.push_back(std::make_unique<FakeAgent>(pki_));
      FakeAgent& agent = *agents_.back();
      agent.on_exec = [this, i, on_exec](const v1::ExecRequest& request,
                                         const ExecScript& exec) {
        if (request.command().program_case() == v1::Command::PROGRAM_NOT_SET) {
          return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "nothing");
        }
        {
          std::lock_guard<std::mutex> lock(mutex_);
          asked_.push_back(request);
        }
        on_exec(i, exec);
        return exec.cancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
      };
      agent.on_kill = [](const v1::KillRequest&, v1::KillResponse* response) {
        response->set_signalled_count(1);
        return grpc::Status::OK;
      };
      AddHost(absl::StrCat("vm", i), agent.endpoint().address.port);
    }
  }
  void AddHost(const std::string& name, uint16_t port) {
    absl::StrAppend(&inventory_, "[[host]]\nname = \"", name,
                    "\"\naddress = \"127.0.0.1\"\n"
                    "certificate_name = \"127.0.0.1\"\nport = ",
                    port, "\n");
    ASSERT_TRUE(
        WriteFileAtomically(pki_.File("fleet.toml"), inventory_, 0600, true)
            .ok());
  }

  Words Command(const Words& words) const {
    Words command = {Program("specula"),
                     "--inventory",
                     pki_.File("fleet.toml"),
                     "--ca",
                     pki_.File("ca.crt"),
                     "--cert",
                     pki_.File("operator.crt"),
                     "--key",
                     pki_.File("operator.key"),
                     "--timeout",
                     "20"};
    command.insert(command.end(), words.begin(), words.end());
    return command;
  }
  Result Run(const Words& words) const { return RunProgram(Command(words)); }
  size_t asked() {
    std::lock_guard<std::mutex> lock(mutex_);
    return asked_.size();
  }

  // Runs until Kill, as told, or until the call is cancelled.
  void RunUntilKilled(size_t i, const ExecScript& exec, bool by_force = false) {
    exec.Started(4000 + static_cast<int64_t>(i));
    exec.Stdout("running\n");
    Eventually([&] {
      for (const v1::KillRequest& kill : agents_[i - 1]->kills()) {
        if (!by_force || kill.force()) return true;
      }
      return exec.cancelled();
    });
    if (exec.cancelled()) {
      ++cancelled_;
      return;
    }
    exec.Stdout("last words\n");
    v1::ExecExited exited;
    exited.set_signal(by_force ? SIGKILL : SIGTERM);
    exited.set_drained(true);
    exec.Exited(exited);
  }

  const Pki pki_;
  std::vector<std::unique_ptr<FakeAgent>> agents_;
  std::string inventory_;
  std::mutex mutex_;
  std::vector<v1::ExecRequest> asked_;
  std::atomic<int> cancelled_{0};
};

void SayAndEnd(const ExecScript& exec, const std::string& text, int code = 0) {
  exec.Started();
  if (!text.empty()) exec.Stdout(text);
  exec.Code(code);
}

TEST_F(BatchTest, SameOutputIsFoldedAndTheOutcomesAreSummedUp) {
  MakeFleet(4, [](size_t i, const ExecScript& exec) {
    SayAndEnd(exec, i == 2 ? "" : "Debian 12\n", i == 2 ? 1 : 0);
  });
  const Result result = Run({"exec", "--", "prog", "a b"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out,
            "---- vm[1,3-4] (3): ok ----\nDebian 12\n"
            "Success (code=0): vm1, vm3, vm4\n"
            "Failed (code=1): vm2\n");
  EXPECT_EQ(result.err, "specula: run 1; 'specula show 1' shows it again\n");
  ASSERT_EQ(asked(), 4U);
  for (const v1::ExecRequest& request : asked_) {
    EXPECT_EQ(request.command().argv().arguments(1), "a b");
  }
}

TEST_F(BatchTest, AllWellIs0) {
  MakeFleet(2, [](size_t, const ExecScript& exec) { SayAndEnd(exec, ""); });
  const Result result = Run({"exec", "--", "true"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "Success (code=0): vm1, vm2\n");
}

TEST_F(BatchTest, AHostWithoutAResultIsNamedWithItsReasonAndTheCodeIs255) {
  MakeFleet(3, [](size_t i, const ExecScript& exec) {
    if (i == 2) return exec.Started(), void();  // and never an end
    SayAndEnd(exec, "hi\n", i == 3 ? 7 : 0);
  });
  AddHost("dead", 9);
  const Result result = Run({"exec", "--", "prog"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out,
              EndsWith("Success (code=0): vm1\nFailed (code=7): vm3\n"
                       "unreachable: dead\nlost: vm2\n"));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("specula: dead: unreachable: connection refused"),
                    HasSubstr("specula: vm2: lost: ")));
}

TEST_F(BatchTest, OneHostIsTheManualForm) {
  MakeFleet(3, [](size_t i, const ExecScript& exec) {
    exec.Started();
    exec.Stdout(absl::StrCat("raw ", i));
    exec.Stderr("err");
    exec.Code(42);
  });
  for (const Words& words :
       {Words{"exec", "2", "--", "prog"}, Words{"exec", "vm2", "--", "prog"},
        Words{"--hosts", "vm2", "exec", "--", "prog"}}) {
    const Result result = Run(words);
    EXPECT_EQ(result.exit_code, 42);
    EXPECT_EQ(result.out, "raw 2");
    EXPECT_EQ(result.err, "err");
  }
  EXPECT_EQ(asked(), 3U);
}

TEST_F(BatchTest, LiveLinesHaveTheirHostAndErrorsTheirStream) {
  MakeFleet(2, [](size_t i, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("one\ntw");
    exec.Stderr("bad\n");
    exec.Stdout("o");
    exec.Code(i == 2 ? 3 : 0);
  });
  const Result result = Run({"exec", "--no-fold", "--", "prog"});
  for (const char* host : {"vm1", "vm2"}) {
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat(host, ": one\n")));
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat(host, ": two\n")));
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat(host, "! bad\n")));
  }
  EXPECT_THAT(result.out, Not(HasSubstr("----")));
  const Result both = Run({"exec", "--live", "--", "prog"});
  EXPECT_THAT(both.out,
              AllOf(HasSubstr("vm1: one\n"),
                    HasSubstr("---- vm1 (1): ok ----\none\ntwo\nstderr: bad")));
}

TEST_F(BatchTest, DiffShowsTheOutlier) {
  MakeFleet(3, [](size_t i, const ExecScript& exec) {
    SayAndEnd(exec, i == 3 ? "a\nX\n" : "a\nb\n");
  });
  EXPECT_THAT(Run({"exec", "--diff", "--", "prog"}).out,
              StartsWith("---- vm[1-2] (2): ok ----\na\nb\n"
                         "--- vm[1-2] (2): ok\n+++ vm3 (1): ok\n"
                         "@@ -1,2 +1,2 @@\n a\n-b\n+X\n"));
}

TEST_F(BatchTest, WidthIsHowManyRunAndAreConnectedAtATime) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  MakeFleet(6, [&](size_t, const ExecScript& exec) {
    most = std::max(most.load(), ++running);
    exec.Started();
    absl::SleepFor(absl::Milliseconds(100));
    --running;
    exec.Code(0);
  });
  EXPECT_EQ(Run({"exec", "--width", "2", "--", "prog"}).exit_code, 0);
  EXPECT_EQ(most, 2);
  EXPECT_EQ(asked(), 6U);
  most = 0;
  EXPECT_EQ(Run({"exec", "--", "prog"}).exit_code, 0);
  EXPECT_GT(most, 2);
}

TEST_F(BatchTest, AFailedCanaryStopsTheRoll) {
  MakeFleet(5, [](size_t i, const ExecScript& exec) {
    SayAndEnd(exec, "", i == 1 ? 1 : 0);
  });
  const Result result = Run({"exec", "--canary", "1", "--", "prog"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_EQ(result.out, "Failed (code=1): vm1\nskipped: vm2, vm3, vm4, vm5\n");
  EXPECT_EQ(asked(), 1U);
  EXPECT_EQ(
      Run({"exec", "--canary", "1", "--max-fail", "20%", "--", "p"}).exit_code,
      1);
  EXPECT_EQ(asked(), 6U);
}

TEST_F(BatchTest, GroupsStopWhenTooManyHaveFailed) {
  MakeFleet(6, [](size_t i, const ExecScript& exec) {
    SayAndEnd(exec, "", i >= 2 ? 1 : 0);
  });
  const Result result =
      Run({"exec", "--batch", "2", "--max-fail", "1", "--", "prog"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_EQ(result.out,
            "Success (code=0): vm1\nFailed (code=1): vm2, vm3, vm4\n"
            "skipped: vm5, vm6\n");
}

TEST_F(BatchTest, CtrlCEndsAllTreesAndWaitsForTheProof) {
  MakeFleet(3, [this](size_t i, const ExecScript& exec) {
    if (i == 1) {
      SayAndEnd(exec, "quick\n");
    } else {
      RunUntilKilled(i, exec, /*by_force=*/i == 3);
    }
  });
  Process process({.arguments = Command(
                       {"exec", "--live", "--grace", "100ms", "--", "prog"})});
  ASSERT_TRUE(Eventually([&] {
    const std::string out = process.Stdout();
    return absl::StrContains(out, "vm1: quick") &&
           absl::StrContains(out, "vm2: running") &&
           absl::StrContains(out, "vm3: running");
  }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stdout(),
              EndsWith("Success (code=0): vm1\nsignal KILL: vm3\n"
                       "signal TERM: vm2\n"));
  EXPECT_THAT(process.Stdout(), HasSubstr("vm3: last words\n"));
  EXPECT_THAT(process.Stderr(),
              AllOf(HasSubstr("interrupted: 2 had not finished: vm2, vm3\n"),
                    HasSubstr("all their process trees have ended")));
  EXPECT_THAT(agents_[0]->kills(), IsEmpty());
  ASSERT_EQ(agents_[1]->kills().size(), 1U);
  const v1::KillRequest kill = agents_[1]->kills()[0];
  EXPECT_EQ(kill.pid(), 4002);
  EXPECT_EQ(kill.start_ticks(), 777);
  EXPECT_EQ(kill.signal(), SIGTERM);
  EXPECT_TRUE(kill.tree());
  ASSERT_EQ(agents_[2]->kills().size(), 2U);
  EXPECT_TRUE(agents_[2]->kills()[1].force());
}

TEST_F(BatchTest, CtrlCBeginsNobodyFurther) {
  MakeFleet(
      3, [this](size_t i, const ExecScript& exec) { RunUntilKilled(i, exec); });
  Process process(
      {.arguments = Command({"exec", "--live", "--width", "1", "--", "p"})});
  ASSERT_TRUE(Eventually([&] { return !process.Stdout().empty(); }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stdout(), EndsWith("skipped: vm2, vm3\n"));
  EXPECT_EQ(asked(), 1U);
}

TEST_F(BatchTest, WhereKillIsDeniedNothingIsClaimed) {
  MakeFleet(2, [this](size_t i, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("running\n");
    Eventually([&] {
      return exec.cancelled() || (i == 1 && !agents_[0]->kills().empty());
    });
    if (exec.cancelled()) {
      ++cancelled_;
    } else {
      exec.Code(143);
    }
  });
  agents_[1]->on_kill = [](const v1::KillRequest&, v1::KillResponse*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not here");
  };
  Process process({.arguments = Command({"exec", "--live", "--", "prog"})});
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(process.Stdout(), "vm1: running") &&
           absl::StrContains(process.Stdout(), "vm2: running");
  }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stderr(),
              AllOf(HasSubstr("vm2: lost: interrupted; Kill was not to be had "
                              "(denied: not here)"),
                    HasSubstr("there is no proof that the process trees have "
                              "ended on vm2\n")));
  EXPECT_TRUE(Eventually([&] { return cancelled_ == 1; }));
}

TEST_F(BatchTest, TheSecondCtrlCLeavesAtOnce) {
  MakeFleet(2, [this](size_t, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("running\n");
    exec.AwaitCancel();
    if (exec.cancelled()) ++cancelled_;
  });
  Process process({.arguments = Command(
                       {"exec", "--live", "--grace", "1h", "--", "prog"})});
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(process.Stdout(), "vm1: running") &&
           absl::StrContains(process.Stdout(), "vm2: running");
  }));
  process.Signal(SIGINT);
  ASSERT_TRUE(Eventually([&] {
    return !agents_[0]->kills().empty() && !agents_[1]->kills().empty();
  }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stderr(), HasSubstr("no proof that the process trees "
                                          "have ended on vm1, vm2"));
  EXPECT_TRUE(Eventually([&] { return cancelled_ == 2; }));
}

TEST_F(BatchTest, AFloodDelaysNobodyAndCostsLittle) {
  std::atomic<bool> flooding{true};
  std::atomic<int64_t> flooded{0};
  MakeFleet(3, [&](size_t i, const ExecScript& exec) {
    if (i != 1) return SayAndEnd(exec, "hi\n");
    exec.Started();
    const std::string chunk(256 << 10, 'x');
    while (flooding && exec.Stdout(chunk)) flooded += 256 << 10;
    exec.Code(0);
  });
  Process process({.arguments = Command({"exec", "--fold", "--out-dir",
                                         pki_.File("d"), "--", "prog"})});
  // Both others are through while the flood goes on.
  EXPECT_TRUE(Eventually([&] { return flooded > (100 << 20); }));
  EXPECT_TRUE(Eventually([&] {
    std::ifstream two(pki_.File("d/vm2"));
    std::ifstream three(pki_.File("d/vm3"));
    std::string line;
    return std::getline(two, line) && std::getline(three, line);
  }));
  std::ifstream status(absl::StrCat("/proc/", process.pid(), "/status"));
  std::string line;
  while (std::getline(status, line) && line.rfind("VmHWM:", 0) != 0) {
  }
  EXPECT_LT(std::stoll(line.substr(6)), 120 << 10) << line;
  flooding = false;
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_LT(process.Stdout().size(), 3U << 20);
  EXPECT_THAT(process.Stdout(), HasSubstr("more of standard output not kept"));
  // Nothing is lacking in the file.
  struct stat file;
  ASSERT_EQ(stat(pki_.File("d/vm1").c_str(), &file), 0);
  EXPECT_EQ(file.st_size, flooded);
}

TEST_F(BatchTest, AHangAfterTheStartEndsAtTheCommandsDeadline) {
  MakeFleet(2, [](size_t i, const ExecScript& exec) {
    if (i == 1) return SayAndEnd(exec, "hi\n");
    exec.Started();  // and does not keep the time limit it was given
    exec.AwaitCancel();
  });
  const Result result = Run({"--timeout", "1", "exec", "--timeout", "0.1",
                             "--grace", "0", "--", "prog"});
  EXPECT_THAT(result.out, EndsWith("Success (code=0): vm1\ntimeout: vm2\n"));
  EXPECT_EQ(result.exit_code, 1);
}

TEST_F(BatchTest, EachHostGetsItsFiles) {
  MakeFleet(2, [](size_t i, const ExecScript& exec) {
    exec.Started();
    exec.Stdout(absl::StrCat("out ", i));
    if (i == 2) exec.Stderr("err");
    exec.Code(0);
  });
  const std::string directory = pki_.File("out");
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  // Of a run before; it is no answer of this one.
  ASSERT_TRUE(
      WriteFileAtomically(directory + "/vm1.err", "old", 0600, false).ok());
  EXPECT_EQ(Run({"exec", "--out-dir", directory, "--", "prog"}).exit_code, 0);
  EXPECT_EQ(*ReadFile(directory + "/vm1"), "out 1");
  EXPECT_EQ(*ReadFile(directory + "/vm2"), "out 2");
  EXPECT_EQ(*ReadFile(directory + "/vm2.err"), "err");
  EXPECT_FALSE(ReadFile(directory + "/vm1.err").ok());
}

TEST_F(BatchTest, JsonHasALineForEachEventAndASummary) {
  MakeFleet(2, [](size_t i, const ExecScript& exec) {
    exec.Started();
    exec.Stdout(i == 1 ? "h\xc3\xa4\n" : "\xff");
    exec.Code(i == 1 ? 0 : 3);
  });
  const Result result = Run({"exec", "--json", "--", "prog"});
  EXPECT_EQ(result.exit_code, 1);
  const Words lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 7U) << result.out;
  EXPECT_THAT(result.out, HasSubstr("\"host\":\"vm1\""));
  EXPECT_THAT(result.out, HasSubstr("\"stream\":\"stdout\",\"text\":\"h"));
  EXPECT_THAT(result.out,
              HasSubstr("\"stream\":\"stdout\",\"base64\":\"/w==\""));
  EXPECT_THAT(result.out, HasSubstr("\"outcome\":\"exit\",\"code\":3"));
  EXPECT_THAT(
      lines.back(),
      AllOf(StartsWith("{\"event\":\"summary\",\"hosts\":2,\"failed\":1"),
            HasSubstr("\"exit_code\":1"),
            HasSubstr("\"outcomes\":{\"ok\":[\"vm1\"],\"exit 3\":"
                      "[\"vm2\"]}}")));
  // They are JSON, each on its own.
  const std::string file = pki_.File("lines");
  ASSERT_TRUE(WriteFileAtomically(file, result.out, 0600, false).ok());
  EXPECT_EQ(RunProgram({"python3", "-c",
                        "import json,sys\n"
                        "for l in open(sys.argv[1]): json.loads(l)",
                        file})
                .exit_code,
            0);
}

TEST_F(BatchTest, StandardInputGoesToAll) {
  MakeFleet(3, [](size_t, const ExecScript& exec) { SayAndEnd(exec, ""); });
  const std::string file = pki_.File("in");
  ASSERT_TRUE(WriteFileAtomically(file, "abc\0d", 0600, false).ok());
  EXPECT_EQ(Run({"exec", "--stdin", file, "--", "cat"}).exit_code, 0);
  ASSERT_EQ(asked(), 3U);
  for (const v1::ExecRequest& request : asked_) {
    EXPECT_EQ(request.command().stdin(), "abc");
  }
}

TEST_F(BatchTest, ADryRunAsksAndRunsNothing) {
  MakeFleet(2, [](size_t, const ExecScript& exec) { SayAndEnd(exec, ""); });
  AddHost("dead", 9);
  const Result result = Run({"exec", "--dry-run", "--", "prog"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out, HasSubstr("dead"));
  EXPECT_THAT(result.out, HasSubstr("connection refused"));
  EXPECT_THAT(result.out, HasSubstr("you: operator "));
  EXPECT_EQ(asked(), 0U);
}

TEST_F(BatchTest, OutputThatNobodyReadsEndsAll) {
  MakeFleet(2, [this](size_t, const ExecScript& exec) {
    exec.Started();
    while (exec.Stdout(std::string(10'000, 'y') + "\n")) {
    }
    exec.AwaitCancel();
    if (exec.cancelled()) ++cancelled_;
  });
  Words shell = {"bash", "-c", "\"$@\" | head -c 5; exit ${PIPESTATUS[0]}",
                 "bash"};
  const Words command = Command({"exec", "--no-fold", "--", "yes"});
  shell.insert(shell.end(), command.begin(), command.end());
  EXPECT_EQ(RunProgram(shell).exit_code, 141);
  // A host may not have been reached by then.
  EXPECT_GE(asked(), 1U);
  EXPECT_TRUE(Eventually([&] { return size_t(cancelled_.load()) == asked(); }));
}

TEST_F(BatchTest, MistakesAreUsageErrorsAndNobodyIsAsked) {
  MakeFleet(2, [](size_t, const ExecScript& exec) { SayAndEnd(exec, ""); });
  for (const Words& words :
       {Words{"exec", "--canary", "x", "--", "true"},
        Words{"exec", "--max-fail", "101%", "--", "true"},
        Words{"exec", "--batch", "-1", "--", "true"},
        Words{"exec", "--width", "0", "--", "true"},
        Words{"exec", "9", "--", "true"}, Words{"exec", "--", ""},
        Words{"exec", "--out-dir", "/proc/nope", "--", "true"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words[1];
  }
  EXPECT_EQ(asked(), 0U);
}

}  // namespace
}  // namespace specula::testing
