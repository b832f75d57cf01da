// What a terminal sees of `specula exec`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/fake_agent.h"
#include "tests/e2e/on_terminal.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

class ExecTerminalTest : public ::testing::Test {
 protected:
  Words Command(const Words& words) const {
    return ControllerArguments(pki_, "operator", agent_.host(), words);
  }

  const Pki pki_;
  FakeAgent agent_{pki_};
};

TEST_F(ExecTerminalTest, AHostCannotMoveTheCursor) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("\033[2J\033[1;31mred\033[0m 10%\r20%\r\nh\xc3");
    exec.Stdout("\xa4\n");
    exec.Stderr("\033]0;title\a\n");
    exec.Code(0);
    return grpc::Status::OK;
  };
  const Shown shown = RunOnTerminal(Command({"exec", "--", "prog"}));
  EXPECT_EQ(shown.text,
            "\\x1b[2Jred 10%\r\n20%\r\nh\xc3\xa4\r\n\\x1b]0;title\\x07\r\n");
}

TEST_F(ExecTerminalTest, RawIsRaw) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("\033[2J\033[1;31mred");
    exec.Code(0);
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunOnTerminal(Command({"exec", "--raw", "--", "prog"})).text,
            "\033[2J\033[1;31mred");
}

TEST_F(ExecTerminalTest, WhatIsHeldIsShownAtTheEndAndOurWordsHaveALine) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("cut \xe2\x82");
    v1::ExecExited exited;
    exited.set_signal(9);
    exited.set_drained(true);
    exec.Exited(exited);
    return grpc::Status::OK;
  };
  const Shown shown = RunOnTerminal(Command({"exec", "--", "prog"}));
  EXPECT_EQ(shown.text, "cut \\xe2\\x82\r\nspecula: " + agent_.host() +
                            ": signal KILL\r\n");
  EXPECT_EQ(WEXITSTATUS(shown.status), 137);
}

TEST_F(ExecTerminalTest, CtrlCOfTheTerminalAsksForTheEnd) {
  agent_.on_kill = [](const v1::KillRequest&, v1::KillResponse* response) {
    response->set_signalled_count(1);
    return grpc::Status::OK;
  };
  agent_.on_exec = [this](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("running\n");
    Eventually([&] { return !agent_.kills().empty() || exec.cancelled(); });
    exec.Code(143);
    return grpc::Status::OK;
  };
  const Shown shown = RunOnTerminal(Command({"exec", "--", "prog"}), "\x03");
  EXPECT_EQ(WEXITSTATUS(shown.status), 130);
  EXPECT_THAT(shown.text, HasSubstr("the remote process tree has ended"));
}

// What a terminal sees of a batch: two hosts, of which the second waits until
// something was typed or shown.
class BatchTerminalTest : public ExecTerminalTest {
 protected:
  Words OnBoth(const Words& words) const {
    return ControllerArguments(pki_, "operator",
                               absl::StrCat(agent_.host(), ",", other_.host()),
                               words);
  }
  FakeAgent other_{pki_};
};

TEST_F(BatchTerminalTest, LinesHaveColouredHostsAndHostsCannotMoveTheCursor) {
  for (FakeAgent* agent : {&agent_, &other_}) {
    agent->on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
      exec.Started();
      exec.Stdout("\033[2J\033[1;31mred\n");
      exec.Stderr("\033]0;title\a\n");
      exec.Code(0);
      return grpc::Status::OK;
    };
  }
  const std::string text = RunOnTerminal(OnBoth({"exec", "--", "prog"})).text;
  EXPECT_THAT(text, HasSubstr(absl::StrCat("m", agent_.host(),
                                           "\033[0m: \\x1b[2Jred\r\n")));
  EXPECT_THAT(text, HasSubstr("\033[31m!\033[0m \\x1b]0;title\\x07\r\n"));
  EXPECT_THAT(text, HasSubstr("(2): ok ----\r\n\\x1b[2Jred\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("\033[2J")));
  EXPECT_THAT(text, Not(HasSubstr("\033]0")));
  Words plain = {"/usr/bin/env", "NO_COLOR=1"};
  for (const std::string& word : OnBoth({"exec", "--", "prog"})) {
    plain.push_back(word);
  }
  const std::string without = RunOnTerminal(plain).text;
  EXPECT_THAT(without, Not(HasSubstr("m" + agent_.host())));
  EXPECT_THAT(without, HasSubstr(agent_.host() + ": \\x1b[2Jred\r\n"));
}

TEST_F(BatchTerminalTest, EnterShowsWhoStillRunsAndProgressIsShownMeanwhile) {
  agent_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    exec.Stdout("quick\n");
    exec.Code(0);
    return grpc::Status::OK;
  };
  other_.on_exec = [](const v1::ExecRequest&, const ExecScript& exec) {
    exec.Started();
    absl::SleepFor(absl::Seconds(3));
    exec.Code(0);
    return grpc::Status::OK;
  };
  const std::string text =
      RunOnTerminal(OnBoth({"exec", "--", "prog"}), "\n").text;
  // The quick one may not have ended when Enter was typed.
  const size_t asked = text.find(" still running: ");
  ASSERT_NE(asked, std::string::npos) << text;
  EXPECT_THAT(text.substr(asked, text.find('\r', asked) - asked),
              HasSubstr(other_.host()));
  EXPECT_THAT(text, HasSubstr("1/2 done, 0 failed, "));
  EXPECT_THAT(text, HasSubstr("slowest: " + other_.host()));
}

TEST_F(BatchTerminalTest, KillByNameAsksForATypedYes) {
  for (FakeAgent* agent : {&agent_, &other_}) {
    agent->on_processes = [](const v1::ProcessesRequest&,
                             v1::ProcessesResponse* response) {
      v1::Process* process = response->add_processes();
      process->set_pid(10);
      process->set_name("sleep");
      process->set_command_line("sleep 1000");
      response->set_total_count(1);
      return grpc::Status::OK;
    };
    agent->on_kill = [](const v1::KillRequest&, v1::KillResponse* response) {
      response->set_signalled_count(1);
      return grpc::Status::OK;
    };
  }
  const Words command = OnBoth({"kill", "--name", "sleep"});
  for (const char* typed : {"y\n", "\n", "no\n", "\x04"}) {
    const Shown shown = RunOnTerminal(command, typed);
    EXPECT_EQ(WEXITSTATUS(shown.status), 1) << typed;
    EXPECT_THAT(shown.text, HasSubstr("nothing was signalled"));
  }
  EXPECT_EQ(WEXITSTATUS(RunOnTerminal(command, "\x03").status), 130);
  EXPECT_TRUE(agent_.kills().empty());
  const Shown shown = RunOnTerminal(command, "yes\n");
  EXPECT_EQ(WEXITSTATUS(shown.status), 0);
  EXPECT_THAT(shown.text, HasSubstr("2 processes on "));
  EXPECT_EQ(agent_.kills().size(), 1U);
  EXPECT_EQ(other_.kills().size(), 1U);
}

}  // namespace
}  // namespace specula::testing
