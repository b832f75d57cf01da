// `specula exec` against a fake agent: the real program, the real channel.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(11);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

int64_t ResidentKibibytes(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoll(line.substr(6));
  }
  return 0;
}

class ExecCommandTest : public ::testing::Test {
 protected:
  ExecCommandTest() {
    agent_.on_kill = [](const v1::KillRequest&, v1::KillResponse* response) {
      response->set_signalled_count(1);
      return grpc::Status::OK;
    };
  }

  Words Command(const Words& words) const {
    return ControllerArguments(pki_, "operator", agent_.host(), words);
  }
  Result Run(const Words& words) const { return RunProgram(Command(words)); }

  // Runs `exec -- prog` against a script.
  Result RunScript(std::function<void(const ExecScript&)> script) {
    agent_.on_exec = [script = std::move(script)](const v1::ExecRequest&,
                                                  const ExecScript& exec) {
      script(exec);
      return grpc::Status::OK;
    };
    return Run({"exec", "--", "prog"});
  }

  // What the agent was asked by `words`.
  v1::Command Asked(const Words& words) {
    v1::Command asked;
    agent_.on_exec = [&asked](const v1::ExecRequest& request,
                              const ExecScript& exec) {
      asked = request.command();
      exec.Started();
      exec.Code(0);
      return grpc::Status::OK;
    };
    const Result result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return asked;
  }

  // An exec that is started and then does as Kill and `on_end` say.
  void HangUntilKilled(
      const std::function<bool(const v1::KillRequest&)>& dies) {
    agent_.on_exec = [this, dies](const v1::ExecRequest&,
                                  const ExecScript& exec) {
      exec.Started();
      exec.Stdout("running\n");
      Eventually([&] {
        if (exec.cancelled()) return true;
        for (const v1::KillRequest& kill : agent_.kills()) {
          if (dies(kill)) return true;
        }
        return false;
      });
      if (exec.cancelled()) {
        cancelled_ = true;
        return grpc::Status::CANCELLED;
      }
      exec.Stdout("last words\n");
      v1::ExecExited exited;
      exited.set_signal(SIGTERM);
      exited.set_drained(true);
      exec.Exited(exited);
      return grpc::Status::OK;
    };
  }

  std::unique_ptr<Process> RunInBackground(const Words& words,
                                           const std::string& until) const {
    auto process = std::make_unique<Process>(
        Process::Options{.arguments = Command(words)});
    EXPECT_TRUE(Eventually([&] {
      return process->Stdout().find(until) != std::string::npos;
    })) << process->Stderr();
    return process;
  }

  const Pki pki_;
  FakeAgent agent_{pki_};
  std::atomic<bool> cancelled_{false};
};

TEST_F(ExecCommandTest, OutputAndCodeAreThoseOfTheCommand) {
  const Result result = RunScript([](const ExecScript& exec) {
    exec.Started();
    exec.Stdout("out");
    exec.Stderr("err");
    exec.Stdout("put\n");
    exec.Code(7);
  });
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "output\n");
  EXPECT_EQ(result.err, "err");
}

TEST_F(ExecCommandTest, CodesAreTakenExactly) {
  for (int code : {0, 1, 2, 124, 126, 127, 128, 130, 254, 255}) {
    const Result result = RunScript([code](const ExecScript& exec) {
      exec.Started();
      exec.Code(code);
    });
    EXPECT_EQ(result.exit_code, code);
    EXPECT_THAT(result.err, IsEmpty());
  }
}

TEST_F(ExecCommandTest, SignalsAre128MoreAndNamed) {
  for (auto [signal, name] : {std::pair(9, "signal KILL"),
                              {15, "signal TERM"},
                              {35, "signal RTMIN+1"}}) {
    const Result result = RunScript([n = signal](const ExecScript& exec) {
      exec.Started();
      v1::ExecExited exited;
      exited.set_signal(n);
      exited.set_drained(true);
      exec.Exited(exited);
    });
    EXPECT_EQ(result.exit_code, 128 + signal);
    EXPECT_EQ(result.err,
              absl::StrCat("specula: ", agent_.host(), ": ", name, "\n"));
  }
}

TEST_F(ExecCommandTest, TimeoutTruncationAndLeftOversAreSaid) {
  const Result result = RunScript([](const ExecScript& exec) {
    exec.Started();
    v1::ExecExited exited;
    exited.set_signal(15);
    exited.set_timed_out(true);
    exited.set_truncated(true);
    exited.set_killed_count(3);
    exec.Exited(exited);
  });
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.err, HasSubstr(": timeout: "));
  EXPECT_THAT(result.err, HasSubstr(": truncated: "));
  EXPECT_THAT(result.err, HasSubstr(": 3 processes were left over"));
  EXPECT_THAT(result.err, HasSubstr("may lack its end"));
}

TEST_F(ExecCommandTest, ErrorsBeforeTheStartAreNoResult) {
  for (auto [code, word] :
       {std::pair(grpc::StatusCode::NOT_FOUND, ": failed: NOT_FOUND: why"),
        {grpc::StatusCode::PERMISSION_DENIED, ": denied: why"},
        {grpc::StatusCode::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED: why"}}) {
    agent_.on_exec = [c = code](const v1::ExecRequest&, const ExecScript&) {
      return grpc::Status(c, "why\033[2J");
    };
    const Result result = Run({"exec", "--", "prog"});
    EXPECT_EQ(result.exit_code, 255);
    EXPECT_THAT(result.err, HasSubstr(word));
    EXPECT_THAT(result.err, Not(HasSubstr("\033")));
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST_F(ExecCommandTest, AHostThatIsNotThereIsUnreachable) {
  const Result result = RunProgram(ControllerArguments(
      pki_, "operator", "127.0.0.1:9", {"exec", "--", "true"}));
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, StartsWith("specula: 127.0.0.1:9: unreachable: "));
}

TEST_F(ExecCommandTest, AnAgentThatDiesInTheMiddleIsLost) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("before\n");
    exec.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  Cable cable(agent_.endpoint());
  Process process(
      {.arguments = ControllerArguments(
           pki_, "operator", FormatHostPort(cable.endpoint().address),
           {"exec", "--", "prog"})});
  ASSERT_TRUE(Eventually([&] { return process.Stdout() == "before\n"; }));
  cable.Cut();
  EXPECT_EQ(process.Wait(), 255);
  EXPECT_THAT(process.Stderr(), HasSubstr(": lost: "));
}

TEST_F(ExecCommandTest, AStreamWithoutItsEndIsLost) {
  const Result result = RunScript([](const ExecScript& exec) {
    exec.Started();
    exec.Stdout("x");
  });
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_EQ(result.out, "x");
  EXPECT_THAT(result.err, HasSubstr(": lost: "));
}

TEST_F(ExecCommandTest, WordsComeThroughIntact) {
  const Words odd = {"prog",  "",       "a b", "--hosts", "-h",
                     "[x,y]", "--",     "*",   "$(id)",   "'\"\\",
                     "exec",  "--help", "[]",  "\n\t",    "h\xc3\xa4"};
  Words command = {"exec", "--"};
  command.insert(command.end(), odd.begin(), odd.end());
  const v1::Command asked = Asked(command);
  EXPECT_EQ(
      Words(asked.argv().arguments().begin(), asked.argv().arguments().end()),
      odd);
}

TEST_F(ExecCommandTest, AShellLineIsNotTouched) {
  EXPECT_EQ(Asked({"exec", "-s", "[a,b] | --x $Y"}).shell(), "[a,b] | --x $Y");
}

TEST_F(ExecCommandTest, OptionsReachTheAgent) {
  const v1::Command asked =
      Asked({"exec", "--user", "nobody", "--cwd", "/tmp", "--env", "A=[1,2]",
             "--env", "B=x=y", "--grace", "1.5", "--output-limit", "10K",
             "--merge", "--timeout", "500ms", "--", "true"});
  EXPECT_EQ(asked.user(), "nobody");
  EXPECT_EQ(asked.working_directory(), "/tmp");
  EXPECT_EQ(asked.environment().at("A"), "[1,2]");
  EXPECT_EQ(asked.environment().at("B"), "x=y");
  EXPECT_EQ(asked.environment().size(), 2U);
  EXPECT_EQ(asked.grace().seconds(), 1);
  EXPECT_EQ(asked.grace().nanos(), 500'000'000);
  EXPECT_EQ(asked.output_limit_bytes(), 10 << 10);
  EXPECT_TRUE(asked.merge_stderr());
  EXPECT_EQ(asked.timeout().nanos(), 500'000'000);
}

TEST_F(ExecCommandTest, TimeoutAfterExecIsTheCommandsAndBeforeItTheHosts) {
  // ControllerArguments gives --timeout 20 before the command.
  EXPECT_FALSE(Asked({"exec", "--", "true"}).has_timeout());
  EXPECT_EQ(Asked({"exec", "--timeout", "2", "--", "true"}).timeout().seconds(),
            2);
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  const Result result =
      Run({"--timeout", "0.5", "exec", "--timeout", "1h", "--", "true"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr("no answer in time"));
}

TEST_F(ExecCommandTest, TheHostMayStandAfterExec) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Code(0);
    return grpc::Status::OK;
  };
  const Words arguments = ControllerArguments(
      pki_, "operator", "nosuchhost.invalid",
      {"exec", agent_.host(), "--env", "A=1", "--", "true"});
  const Result result = RunProgram(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(ExecCommandTest, MistakesAreUsageErrors) {
  EXPECT_THAT(Run({"exec"}).err, HasSubstr("what to run is missing"));
  EXPECT_THAT(Run({"exec", "--watch", "1", "--", "true"}).err,
              HasSubstr("--watch"));
  EXPECT_THAT(Run({"status", "--", "true"}).err, HasSubstr("only exec"));
  for (const Words& words :
       {Words{"exec", "--"}, Words{"exec", "vm1", "true"},
        Words{"exec", "--timeout", "soon", "--", "true"},
        Words{"exec", "--env", "A", "--", "true"},
        Words{"exec", "-s", "true", "--", "true"},
        Words{"exec", "--nope", "--", "true"}, Words{"mem", "--"},
        Words{"exec", "--stdin", "/nonexistent", "--", "true"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words.back();
  }
}

TEST_F(ExecCommandTest, StandardInputIsPassedExactly) {
  const TemporaryDirectory directory;
  const std::string bytes = RandomBytes(800'000);
  ASSERT_TRUE(
      WriteFileAtomically(directory.File("in"), bytes, 0600, false).ok());
  EXPECT_TRUE(
      Asked({"exec", "--stdin", directory.File("in"), "--", "cat"}).stdin() ==
      bytes);
  EXPECT_EQ(Asked({"exec", "--stdin", "-", "--", "cat"}).stdin(), "");
  // As much as the contract promises, and one byte more.
  std::string most(1 << 20, 'x');
  ASSERT_TRUE(WriteFileAtomically(directory.File("in"), most, 0600, true).ok());
  EXPECT_EQ(Asked({"exec", "--stdin", directory.File("in"), "--", "cat"})
                .stdin()
                .size(),
            most.size());
  most += 'x';
  ASSERT_TRUE(WriteFileAtomically(directory.File("in"), most, 0600, true).ok());
  const Result result =
      Run({"exec", "--stdin", directory.File("in"), "--", "cat"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("that an agent takes"));
}

TEST_F(ExecCommandTest, FiftyMebibytesOfBinaryComeExactly) {
  const std::string bytes = RandomBytes(50 << 20);
  const Result result = RunScript([&](const ExecScript& exec) {
    exec.Started();
    for (size_t at = 0; at < bytes.size(); at += 200'000) {
      exec.Stdout(bytes.substr(at, 200'000));
      exec.Stderr(bytes.substr(at, 1'000));
    }
    exec.Code(0);
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out == bytes);
  EXPECT_EQ(result.err.size(), (bytes.size() + 199'999) / 200'000 * 1'000);
}

TEST_F(ExecCommandTest, ASlowReaderCostsTheAgentNotOurMemory) {
  constexpr int kChunks = 1200;
  std::atomic<int> written{0};
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    const std::string chunk(256 << 10, 'x');
    for (int i = 0; i < kChunks && exec.Stdout(chunk); ++i) ++written;
    exec.Code(0);
    return grpc::Status::OK;
  };
  const TemporaryDirectory directory;
  const std::string fifo = directory.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  UniqueFd reader(open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // exec keeps the pid, so that its memory can be looked at.
  Words shell = {"sh", "-c", "f=$1; shift; exec \"$@\" > \"$f\"", "sh", fifo};
  const Words command = Command({"exec", "--", "prog"});
  shell.insert(shell.end(), command.begin(), command.end());
  Process process({.arguments = shell});
  ASSERT_TRUE(Eventually([&] { return written > 0; })) << process.Stderr();
  int before = -1;
  while (before != written) {
    before = written;
    absl::SleepFor(absl::Milliseconds(500));
  }
  EXPECT_LT(written, kChunks / 4);
  EXPECT_LT(ResidentKibibytes(process.pid()), 100 << 10);
  fcntl(reader.get(), F_SETFL, 0);
  size_t total = 0;
  std::vector<char> buffer(1 << 20);
  int64_t most = 0;
  while (true) {
    const ssize_t got = read(reader.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    total += static_cast<size_t>(got);
    most = std::max(most, ResidentKibibytes(process.pid()));
  }
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(total, size_t{kChunks} * (256 << 10));
  EXPECT_LT(most, 100 << 10);
}

TEST_F(ExecCommandTest, OutputThatNobodyReadsEndsTheRemoteTree) {
  agent_.on_exec = [this](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    while (exec.Stdout(std::string(10'000, 'y'))) {
    }
    // gRPC fails a write a moment before it tells why.
    exec.AwaitCancel();
    cancelled_ = exec.cancelled();
    return grpc::Status::CANCELLED;
  };
  Words shell = {"bash", "-c", "\"$@\" | head -c 5; exit ${PIPESTATUS[0]}",
                 "bash"};
  const Words command = Command({"exec", "--", "yes"});
  shell.insert(shell.end(), command.begin(), command.end());
  const Result result = RunProgram(shell);
  EXPECT_EQ(result.exit_code, 141);
  EXPECT_EQ(result.out, "yyyyy");
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_TRUE(Eventually([&] { return cancelled_.load(); }));
}

TEST_F(ExecCommandTest, AFullDiskIsNoSuccess) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("x");
    exec.Code(0);
    return grpc::Status::OK;
  };
  Words shell = {"sh", "-c", "\"$@\" > /dev/full", "sh"};
  const Words command = Command({"exec", "--", "true"});
  shell.insert(shell.end(), command.begin(), command.end());
  const Result result = RunProgram(shell);
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr("cannot write to standard output"));
}

TEST_F(ExecCommandTest, CtrlCEndsTheTreeAndWaitsForTheProof) {
  HangUntilKilled([](const v1::KillRequest&) { return true; });
  auto process = RunInBackground({"exec", "--", "prog"}, "running");
  process->Signal(SIGINT);
  EXPECT_EQ(process->Wait(), 130);
  EXPECT_EQ(process->Stdout(), "running\nlast words\n");
  EXPECT_THAT(process->Stderr(),
              HasSubstr("interrupted: the remote process tree has ended "
                        "(signal TERM)"));
  ASSERT_EQ(agent_.kills().size(), 1U);
  const v1::KillRequest kill = agent_.kills()[0];
  EXPECT_EQ(kill.pid(), 4242);
  EXPECT_EQ(kill.start_ticks(), 777);
  EXPECT_EQ(kill.signal(), SIGTERM);
  EXPECT_TRUE(kill.tree());
  EXPECT_FALSE(kill.force());
}

TEST_F(ExecCommandTest, WhatIgnoresTermIsKilledAfterTheGrace) {
  HangUntilKilled([](const v1::KillRequest& kill) { return kill.force(); });
  auto process =
      RunInBackground({"exec", "--grace", "100ms", "--", "prog"}, "running");
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Wait(), 130);
  EXPECT_THAT(process->Stderr(), HasSubstr("process tree has ended"));
  ASSERT_EQ(agent_.kills().size(), 2U);
  EXPECT_TRUE(agent_.kills()[1].force());
  EXPECT_TRUE(agent_.kills()[1].tree());
}

TEST_F(ExecCommandTest, WithoutAnEndTheCallIsCancelledAndNothingIsClaimed) {
  HangUntilKilled([](const v1::KillRequest&) { return false; });
  auto process =
      RunInBackground({"exec", "--grace", "0", "--", "prog"}, "running");
  process->Signal(SIGINT);
  EXPECT_EQ(process->Wait(), 130);
  EXPECT_THAT(process->Stderr(), HasSubstr("there is no proof"));
  EXPECT_TRUE(Eventually([&] { return cancelled_.load(); }));
}

TEST_F(ExecCommandTest, TheSecondCtrlCLeavesAtOnce) {
  HangUntilKilled([](const v1::KillRequest&) { return false; });
  auto process =
      RunInBackground({"exec", "--grace", "1h", "--", "prog"}, "running");
  process->Signal(SIGINT);
  ASSERT_TRUE(Eventually([&] { return !agent_.kills().empty(); }));
  process->Signal(SIGINT);
  EXPECT_EQ(process->Wait(), 130);
  EXPECT_THAT(process->Stderr(), HasSubstr("left at once; there is no proof"));
  EXPECT_TRUE(Eventually([&] { return cancelled_.load(); }));
}

TEST_F(ExecCommandTest, WhereKillIsDeniedTheCallIsCancelledAndThatIsSaid) {
  for (auto [code, word] :
       {std::pair(grpc::StatusCode::PERMISSION_DENIED, "denied: not here"),
        {grpc::StatusCode::UNIMPLEMENTED, "UNIMPLEMENTED: not here"}}) {
    cancelled_ = false;
    HangUntilKilled([](const v1::KillRequest&) { return false; });
    agent_.on_kill = [c = code](const v1::KillRequest&, v1::KillResponse*) {
      return grpc::Status(c, "not here");
    };
    auto process =
        RunInBackground({"exec", "--grace", "1h", "--", "prog"}, "running");
    process->Signal(SIGINT);
    EXPECT_EQ(process->Wait(), 130);
    EXPECT_THAT(process->Stderr(), HasSubstr(word));
    EXPECT_THAT(process->Stderr(), HasSubstr("there is no proof"));
    EXPECT_TRUE(Eventually([&] { return cancelled_.load(); }));
  }
}

TEST_F(ExecCommandTest, AProgramThatHasJustEndedNeedsNoKill) {
  HangUntilKilled([](const v1::KillRequest&) { return true; });
  agent_.on_kill = [](const v1::KillRequest&, v1::KillResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such process");
  };
  auto process = RunInBackground({"exec", "--", "prog"}, "running");
  process->Signal(SIGINT);
  EXPECT_EQ(process->Wait(), 130);
  EXPECT_THAT(process->Stderr(), HasSubstr("process tree has ended"));
}

TEST_F(ExecCommandTest, CtrlCBeforeTheStartCancels) {
  absl::Notification begun;
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& exec) {
    begun.Notify();
    exec.AwaitCancel();
    cancelled_ = exec.cancelled();
    return grpc::Status::CANCELLED;
  };
  Process process({.arguments = Command({"exec", "--", "prog"})});
  begun.WaitForNotification();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stderr(), HasSubstr("had not said yet"));
  EXPECT_TRUE(Eventually([&] { return cancelled_.load(); }));
}

TEST_F(ExecCommandTest, CtrlCIsHeardWhileNobodyReadsTheOutput) {
  agent_.on_exec = [this](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    while (agent_.kills().empty() && exec.Stdout(std::string(100'000, 'x'))) {
    }
    exec.Code(0);
    return grpc::Status::OK;
  };
  const TemporaryDirectory directory;
  const std::string fifo = directory.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd reader(open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  Words shell = {"sh", "-c", "f=$1; shift; exec \"$@\" > \"$f\"", "sh", fifo};
  const Words command = Command({"exec", "--", "prog"});
  shell.insert(shell.end(), command.begin(), command.end());
  Process process({.arguments = shell});
  char first;
  ASSERT_TRUE(Eventually([&] { return read(reader.get(), &first, 1) == 1; }));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_THAT(process.Stderr(), HasSubstr("process tree has ended"));
}

TEST_F(ExecCommandTest, CtrlCEndsTheReadingOfStandardInput) {
  const TemporaryDirectory directory;
  const std::string fifo = directory.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd silent(open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  Process process(
      {.arguments = Command({"exec", "--stdin", fifo, "--", "cat"})});
  absl::SleepFor(absl::Seconds(1));
  process.Signal(SIGINT);
  // 2 is the signal itself, if it came before it was waited for.
  EXPECT_EQ(process.Wait(), 130);
}

}  // namespace
}  // namespace specula::testing
