#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/tmux.h"

// `specula top` on a real terminal (tmux) over real agents.
namespace specula::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TopTest : public ::testing::Test {
 protected:
  // `before`: of the environment. The command line is in a file, as it is
  // longer than a screen.
  void Start(const std::string& arguments, const std::string& who = "operator",
             const std::string& before = "") {
    std::vector<std::string> words = ControllerArguments(
        pki_, who, absl::StrCat(one_.host(), ",", two_.host(), ",127.0.0.1:1"),
        {});
    const std::string script = directory_.File("run");
    std::ofstream(script) << "#!/bin/sh\n"
                          << before << " exec " << absl::StrJoin(words, " ")
                          << " top " << arguments << "\n";
    chmod(script.c_str(), 0700);
    terminal_->Type(absl::StrCat("clear; ", script, "; echo ended=$?"));
    terminal_->Press("Enter");
  }
  void Open(int width, int height) {
    terminal_.reset();  // both would be on one socket
    terminal_ = std::make_unique<Tmux>(directory_, width, height);
  }

  Pki pki_;
  AgentProcess one_{pki_};
  AgentProcess two_{pki_, {.arguments = {"--state-dir", pki_.File("state2")}}};
  TemporaryDirectory directory_;
  std::unique_ptr<Tmux> terminal_;
};

TEST_F(TopTest, ShowsTheFleetAtBothSizesAndGivesTheTerminalBack) {
  Open(80, 24);
  Start("");
  ASSERT_TRUE(terminal_->Shows("3 hosts  2 up  1 DOWN")) << terminal_->Screen();
  EXPECT_TRUE(terminal_->Shows("!D"));
  EXPECT_TRUE(terminal_->Shows("COMMAND"));
  for (const char* key : {"", "h", "x", "c"}) {
    terminal_->Type(key);
    for (const auto& [width, height] :
         {std::pair{40, 10}, {200, 50}, {7, 3}, {80, 24}}) {
      terminal_->Resize(width, height);
    }
    EXPECT_TRUE(terminal_->Shows("3 hosts  2 up  1 DOWN"))
        << terminal_->Screen();
    terminal_->Press("Escape");
    EXPECT_TRUE(terminal_->Shows("e exec")) << terminal_->Screen();
  }
  terminal_->Resize(200, 50);
  EXPECT_TRUE(terminal_->Shows("WORST MOUNT")) << terminal_->Screen();
  terminal_->Resize(40, 10);
  EXPECT_TRUE(terminal_->Shows("CPU%  MEM%  AGE AL")) << terminal_->Screen();
  terminal_->Type("q");
  ASSERT_TRUE(terminal_->Shows("ended=0")) << terminal_->Screen();
  EXPECT_THAT(terminal_->Screen(), Not(HasSubstr("DOWN")));
  terminal_->Type("echo it-$((40+2))-echoes");
  EXPECT_TRUE(terminal_->Shows("echo it-"));
  terminal_->Press("Enter");
  EXPECT_TRUE(terminal_->Shows("it-42-echoes"));
}

TEST_F(TopTest, RunsACommandOnMarkedHostsWithTheOutcomeWords) {
  Open(100, 30);
  Start("--sort host");
  ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN"));
  terminal_->Type("*e");
  ASSERT_TRUE(terminal_->Shows("run on")) << terminal_->Screen();
  terminal_->Type("echo from-$((40+2)); exit 3");
  terminal_->Press("Enter");
  ASSERT_TRUE(terminal_->Shows("Type 3 to run")) << terminal_->Screen();
  terminal_->Type("3");
  terminal_->Press("Enter");
  ASSERT_TRUE(terminal_->Shows("press Enter to go back"))
      << terminal_->Screen();
  EXPECT_THAT(terminal_->Screen(),
              AllOf(HasSubstr("from-42"), HasSubstr("exit 3"),
                    HasSubstr("unreachable")));
  terminal_->Press("Enter");
  EXPECT_TRUE(terminal_->Shows("3 marked")) << terminal_->Screen();
  // Ctrl-C ends what was begun, and not the table.
  terminal_->Press("Escape");
  terminal_->Press("Down");
  terminal_->Type("esleep 300");
  terminal_->Press("Enter");
  ASSERT_TRUE(terminal_->Shows("Ctrl-C ends it")) << terminal_->Screen();
  terminal_->Press("C-c");
  ASSERT_TRUE(terminal_->Shows("press Enter to go back"))
      << terminal_->Screen();
  terminal_->Press("Enter");
  EXPECT_TRUE(terminal_->Shows("e exec")) << terminal_->Screen();
  terminal_->Type("q");
  EXPECT_TRUE(terminal_->Shows("ended=0"));
}

TEST_F(TopTest, WhoMayOnlyLookIsOfferedNoActions) {
  struct Case {
    const char* arguments;
    const char* who;
    const char* why;
  };
  for (const Case& one : {Case{"", "viewer", "is viewer"},
                          Case{"--readonly", "admin", "--readonly"}}) {
    Open(100, 30);
    Start(one.arguments, one.who);
    ASSERT_TRUE(terminal_->Shows("2 up")) << terminal_->Screen();
    EXPECT_THAT(terminal_->Screen(), Not(HasSubstr("e exec")));
    terminal_->Type("e");
    EXPECT_TRUE(terminal_->Shows(one.why)) << terminal_->Screen();
    terminal_->Type("q");
    EXPECT_TRUE(terminal_->Shows("ended=0"));
  }
}

TEST_F(TopTest, HeedsNoColorAsciiAndTheLocale) {
  struct Case {
    const char* arguments;
    const char* before;
    bool colour;
    bool ascii;
  };
  for (const Case& one : {Case{"", "LC_ALL=C.UTF-8", true, false},
                          Case{"", "NO_COLOR=1 LC_ALL=C.UTF-8", false, false},
                          Case{"--ascii", "LC_ALL=C.UTF-8", true, true},
                          Case{"", "LC_ALL=C", true, true}}) {
    Open(120, 30);
    Start(one.arguments, "viewer", one.before);
    ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN")) << terminal_->Screen();
    terminal_->Press("Enter");
    ASSERT_TRUE(terminal_->Shows("100|")) << terminal_->Screen();
    EXPECT_TRUE(Eventually([&] {
      const std::string screen = terminal_->Screen(true);
      const bool colour = screen.find("\033[31m") != std::string::npos ||
                          screen.find(";31m") != std::string::npos;
      const bool braille = screen.find("\xe2\xa0") != std::string::npos ||
                           screen.find("\xe2\xa1") != std::string::npos ||
                           screen.find("\xe2\xa2") != std::string::npos ||
                           screen.find("\xe2\xa3") != std::string::npos;
      return colour == one.colour && braille != one.ascii;
    })) << one.before
        << one.arguments << "\n"
        << terminal_->Screen(true);
    terminal_->Type("q");
    EXPECT_TRUE(terminal_->Shows("ended=0"));
  }
}

TEST_F(TopTest, SaysWhatIsMissing) {
  const std::vector<std::string> words =
      ControllerArguments(pki_, "viewer", one_.host(), {"top"});
  const Result no_terminal = RunProgram(words);
  EXPECT_EQ(no_terminal.exit_code, 2);
  EXPECT_THAT(no_terminal.err, HasSubstr("top needs a terminal"));
  Open(100, 30);
  Start("", "viewer", "TERM=no-such-terminal");
  EXPECT_TRUE(terminal_->Shows("no terminfo entry for TERM=no-such-terminal"));
  EXPECT_TRUE(terminal_->Shows("ended=2"));
  Start("--filter 'cup>3'", "viewer");
  EXPECT_TRUE(terminal_->Shows("'cup' is no column"));
}

TEST_F(TopTest, TermGivesTheTerminalBackAndCtrlZStops) {
  Open(100, 30);
  Start("", "viewer");
  ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN"));
  terminal_->Press("C-z");
  ASSERT_TRUE(terminal_->Shows("Stopped")) << terminal_->Screen();
  terminal_->Type("fg");
  terminal_->Press("Enter");
  ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN")) << terminal_->Screen();
  const std::string shell =
      terminal_->Run({"display-message", "-p", "#{pane_pid}"});
  const Result killed = RunProgram(
      {"/usr/bin/pkill", "-TERM", "-P", shell.substr(0, shell.find('\n'))});
  EXPECT_EQ(killed.exit_code, 0);
  // What stood behind the command on its line went with the stop.
  ASSERT_TRUE(terminal_->Shows("shell> fg")) << terminal_->Screen();
  EXPECT_THAT(terminal_->Screen(), Not(HasSubstr("1 DOWN")));
  terminal_->Type("echo after=$?");
  terminal_->Press("Enter");
  EXPECT_TRUE(terminal_->Shows("after=130")) << terminal_->Screen();
}

TEST_F(TopTest, OnceNeedsNoTerminal) {
  const Result table = RunProgram(ControllerArguments(
      pki_, "viewer", absl::StrCat(one_.host(), ",127.0.0.1:1"),
      {"top", "--once", "--interval", "200ms"}));
  EXPECT_EQ(table.exit_code, 255);
  EXPECT_THAT(table.out, AllOf(HasSubstr("2 hosts  1 up  1 DOWN"),
                               HasSubstr(one_.host()), HasSubstr("!D")));
  const Result json = RunProgram(
      ControllerArguments(pki_, "viewer", one_.host(),
                          {"top", "--once", "--json", "--interval", "200ms"}));
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"outcome\":\"ok\""),
                              HasSubstr("\"status\":{")));
}

}  // namespace
}  // namespace specula::testing
