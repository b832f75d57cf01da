// The console, as the workflow of the older protocol's document goes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/fake_agent.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// A program on a terminal of its own, as somebody types into it.
class Terminal {
 public:
  Terminal(std::vector<std::string> words, const std::string& home) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const winsize size = {24, 200, 0, 0};
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      setenv("HOME", home.c_str(), 1);
      setenv("TERM", "xterm", 1);
      unsetenv("XDG_STATE_HOME");
      signal(SIGPIPE, SIG_DFL);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
  }

  void Type(const std::string& keys) const {
    EXPECT_EQ(write(fd_, keys.data(), keys.size()),
              static_cast<ssize_t>(keys.size()));
  }

  // What was shown until `text` was, that included; it is not given again.
  std::string Await(const std::string& text) {
    size_t found = std::string::npos;
    const bool came = Eventually([&] {
      pollfd ready = {fd_, POLLIN, 0};
      char buffer[4096];
      if (poll(&ready, 1, 20) > 0) {
        const ssize_t got = read(fd_, buffer, sizeof buffer);
        if (got > 0) shown_.append(buffer, static_cast<size_t>(got));
      }
      found = shown_.find(text);
      return found != std::string::npos;
    });
    EXPECT_TRUE(came) << "no '" << text << "' in: " << shown_;
    if (!came) return std::exchange(shown_, {});
    const std::string until = shown_.substr(0, found + text.size());
    shown_.erase(0, found + text.size());
    return until;
  }

  // A line typed, and all until the next prompt.
  std::string Ask(const std::string& line) {
    Type(line + "\r");
    return Await("hosts)> ");
  }

  int Wait() {
    int status = 0;
    Eventually([&] {
      char buffer[4096];
      pollfd ready = {fd_, POLLIN, 0};
      if (poll(&ready, 1, 0) > 0) {
        [[maybe_unused]] ssize_t got = read(fd_, buffer, sizeof buffer);
      }
      return waitpid(pid_, &status, WNOHANG) == pid_;
    });
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
  std::string shown_;
};

// Whether a process has the file open.
bool HasOpen(pid_t pid, const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"), error)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == path) return true;
  }
  return false;
}

// Whether a process runs; one that waits to be reaped does not.
bool IsAlive(pid_t pid) {
  const std::string stat =
      ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096).value_or("");
  const size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.substr(name_end, 3) != ") Z";
}

class ConsoleTest : public ::testing::Test {
 protected:
  std::vector<std::string> Command(const std::string& hosts) const {
    return ControllerArguments(pki_, "operator", hosts, {"console"});
  }
  std::string Hosts() const {
    return absl::StrCat(first_.host(), ",", second_.host(), ",", third_.host());
  }
  // Agents of one machine need a state each.
  AgentOptions OwnState(const std::string& name) const {
    return {.arguments = {"--state-dir", directory_.File(name)}};
  }
  // Lines from standard input.
  Result Script(const std::string& hosts, const std::string& lines) const {
    const std::string file = directory_.File("script");
    std::ofstream(file) << lines;
    std::vector<std::string> words = Command(hosts);
    std::string command;
    for (const std::string& word : words) {
      absl::StrAppend(&command, "'", word, "' ");
    }
    return RunProgram({"/bin/sh", "-c", command + "< " + file});
  }

  const Pki pki_;
  const TemporaryDirectory directory_;
  AgentProcess first_{pki_, OwnState("1")};
  AgentProcess second_{pki_, OwnState("2")};
  AgentProcess third_{pki_, OwnState("3")};
};

TEST_F(ConsoleTest, TheWorkflowStepByStep) {
  const std::string log = directory_.File("syslog");
  std::ofstream(log) << "an old line\n";
  Terminal terminal(Command(Hosts()), directory_.path());
  terminal.Await("specula (3 hosts)> ");

  EXPECT_THAT(terminal.Ask("LIST"), ContainsRegex("1 .*connected"));
  EXPECT_THAT(terminal.Ask("s"), HasSubstr("CPU"));
  EXPECT_THAT(terminal.Ask("EXEC uptime"), HasSubstr("Success (code=0)"));
  const std::string ps = terminal.Ask("EXEC 2 ps aux");
  EXPECT_THAT(ps, HasSubstr("USER"));
  EXPECT_THAT(ps, Not(HasSubstr("Success")));

  terminal.Type("TAIL 1 " + log + "\r");
  terminal.Await("an old line");
  std::ofstream(log, std::ios::app) << "a new line\n";
  terminal.Await("a new line");
  EXPECT_TRUE(HasOpen(first_.front_pid(), log) ||
              HasOpen(first_.process().pid(), log));
  terminal.Type("\x03");
  terminal.Await("hosts)> ");
  EXPECT_TRUE(Eventually([&] {
    return !HasOpen(first_.front_pid(), log) &&
           !HasOpen(first_.process().pid(), log);
  }));

  EXPECT_THAT(terminal.Ask("ping"), HasSubstr("ms"));
  terminal.Type("BYE\r");
  EXPECT_EQ(terminal.Wait(), 0);
}

TEST_F(ConsoleTest, WhatWasStartedIsKilledAlsoByForce) {
  Terminal terminal(Command(Hosts()), directory_.path());
  terminal.Await("hosts)> ");
  // The pid is the number behind the host's name.
  auto start = [&](const std::string& command) {
    const std::string shown = terminal.Ask("START 2 " + command);
    const size_t row = shown.rfind(second_.host() + " ");
    EXPECT_NE(row, std::string::npos) << shown;
    return row == std::string::npos
               ? -1
               : atoi(shown.c_str() + row + second_.host().size());
  };
  const int gentle = start("sleep 1000");
  ASSERT_GT(gentle, 1);
  terminal.Ask(absl::StrCat("KILL 2 ", gentle));
  EXPECT_TRUE(Eventually([&] { return !IsAlive(gentle); }));
  const int stubborn = start("trap '' TERM; while :; do sleep 1; done");
  ASSERT_GT(stubborn, 1);
  terminal.Ask(absl::StrCat("kill 2 ", stubborn, " force"));
  EXPECT_TRUE(Eventually([&] { return !IsAlive(stubborn); }));
}

TEST_F(ConsoleTest, CtrlCEndsTheLineOrTheCommandAndNotTheSession) {
  Terminal terminal(Command(Hosts()), directory_.path());
  terminal.Await("hosts)> ");
  terminal.Type("EXEC rm -rf everyth\x03");
  terminal.Await("hosts)> ");
  terminal.Type("EXEC 1 sh -c 'echo \"be\"gun; sleep 1000'\r");
  terminal.Await("begun");
  terminal.Type("\x03");
  EXPECT_THAT(terminal.Await("hosts)> "), HasSubstr("has ended"));
  EXPECT_THAT(terminal.Ask("EXEC 1 echo \"al\"ive"), HasSubstr("alive"));
  terminal.Type("\x04");
  EXPECT_EQ(terminal.Wait(), 0);
}

TEST_F(ConsoleTest, LinesAreCompletedAndRemembered) {
  {
    Terminal terminal(Command(Hosts()), directory_.path());
    terminal.Await("hosts)> ");
    terminal.Type("EXEC " + first_.host().substr(0, 14));
    terminal.Type("\t echo \"comp\"leted\r");
    terminal.Await("completed");
    terminal.Await("hosts)> ");
    terminal.Type("quit\r");
    EXPECT_EQ(terminal.Wait(), 0);
  }
  const std::string history = directory_.File(".local/state/specula/history");
  struct stat file = {};
  ASSERT_EQ(stat(history.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600);
  Terminal terminal(Command(Hosts()), directory_.path());
  terminal.Await("hosts)> ");
  terminal.Type("\x1b[A\x1b[A\r");  // the line before quit
  terminal.Await("completed");
  terminal.Await("hosts)> ");
}

TEST_F(ConsoleTest, AScriptRunsToItsEndAndItsExitCodeTells) {
  Result result = Script(first_.host(), "STATUS\n# a note\nEXEC echo hello\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("hello"));
  result = Script(first_.host(), "EXEC 1 exit 3\nEXEC 1 echo on\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("on\n"));
  result = Script(first_.host(), "FROB\nEXEC 1 echo on");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("'FROB' is no command"));
  EXPECT_THAT(result.out, HasSubstr("on\n"));
  result = Script(first_.host() + ",127.0.0.1:9", "PING\nBYE\nEXEC 1 false\n");
  EXPECT_EQ(result.exit_code, 255);
}

TEST_F(ConsoleTest, StartKillAndHostsByNameAndId) {
  const Result result = Script(
      Hosts(), absl::StrCat("START 1 sleep 1\n", "EXEC ", third_.host(),
                            " echo third\n", "EXEC @none true\n",
                            "EXEC 9 true\n", "STATUS 9\n", "KILL 1 x\n"));
  EXPECT_THAT(result.out, HasSubstr("PID"));
  EXPECT_THAT(result.out, HasSubstr("third\n"));
  EXPECT_THAT(result.err, HasSubstr("no host with the id 9"));
  EXPECT_THAT(result.err, HasSubstr("none"));
}

TEST_F(ConsoleTest, ItsConnectionsAreKept) {
  // It passes one connection, and no second one.
  const Cable cable({first_.address(), ""});
  const std::string host = FormatHostPort(cable.endpoint().address);
  const Result result = Script(
      host, "STATUS\nSTATUS\nEXEC echo one\nEXEC 1 echo two\nSTATUS\nPING\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

}  // namespace
}  // namespace specula::testing
