// What `specula top` does with a terminal: it is given back however the table
// ends, the mouse is heard, every size and every locale will do in every state.
#include "tests/e2e/top_terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/file.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class TopTerminalTest : public ::testing::Test {
 protected:
  std::string Line(size_t number) const {
    const std::vector<std::string> lines =
        absl::StrSplit(terminal_->Screen(), '\n');
    return number < lines.size() ? lines[number] : "";
  }
  bool LineBegins(size_t number, const std::string& with) const {
    return Eventually([&] { return Line(number).rfind(with, 0) == 0; });
  }
  // As tmux knows it.
  std::string Flag(const std::string& name) const {
    const std::string told =
        terminal_->Run({"display-message", "-p", "#{" + name + "}"});
    return told.substr(0, told.find('\n'));
  }
  std::string File(const std::string& name) const {
    return ReadFile(terminal_.directory().File(name), 1 << 16).value_or("");
  }

  Pki pki_;
  AgentProcess agent_{pki_};
  TopTerminal terminal_{
      pki_, absl::StrCat(agent_.host(), ",127.0.0.1:1,127.0.0.1:2")};
};

TEST_F(TopTerminalTest, ItIsGivenBackHoweverTheTableEnds) {
  const std::string pid_file = terminal_.directory().File("pid");
  for (const int signal_number :
       {0, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT}) {
    SCOPED_TRACE(signal_number);
    terminal_.Open(100, 30);
    // A shell without a terminal's manners: it mends nothing.
    terminal_.StartScript(absl::StrCat(
        "cd ", terminal_.directory().path(), "; ulimit -c 0; rm -f pid\n",
        "stty -a >before\n", "TERM=xterm-256color sh -c 'echo $$ >pid; exec ",
        terminal_.Command("", "viewer"), "'\necho status=$? >status\n",
        "stty -a >after\n"));
    ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN")) << terminal_->Screen();
    EXPECT_EQ(Flag("alternate_on"), "1");
    EXPECT_EQ(Flag("mouse_any_flag"), "1");
    EXPECT_EQ(Flag("cursor_flag"), "0");
    int pid = 0;
    ASSERT_TRUE(absl::SimpleAtoi(File("pid"), &pid));
    if (signal_number == 0) {
      terminal_->Type("q");
    } else {
      ASSERT_EQ(kill(pid, signal_number), 0);
    }
    ASSERT_TRUE(terminal_->Shows("ended=")) << terminal_->Screen();
    EXPECT_EQ(File("after"), File("before"));
    EXPECT_EQ(File("status"),
              absl::StrCat("status=",
                           signal_number == 0         ? 0
                           : signal_number == SIGTERM ? 130
                                                      : 128 + signal_number,
                           "\n"));
    EXPECT_EQ(Flag("alternate_on"), "0");
    EXPECT_EQ(Flag("mouse_any_flag"), "0");
    EXPECT_EQ(Flag("cursor_flag"), "1");
    EXPECT_EQ(terminal_->Screen().find("DOWN"), std::string::npos);
  }
}

TEST_F(TopTerminalTest, TheMouseSelectsSortsAndScrolls) {
  terminal_.Open(80, 24);
  terminal_.Start("--sort -host", "viewer", "TERM=xterm-256color");
  ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN")) << terminal_->Screen();
  ASSERT_TRUE(LineBegins(3, ">"));
  // Lines and columns of the mouse count from 1: the second row is line 5.
  terminal_->Send("\x1b[<0;10;5M\x1b[<0;10;5m");
  EXPECT_TRUE(LineBegins(4, ">")) << terminal_->Screen();
  terminal_->Send("\x1b[<65;10;5M");  // the wheel
  EXPECT_TRUE(LineBegins(5, ">")) << terminal_->Screen();
  terminal_->Send("\x1b[<64;10;5M");
  EXPECT_TRUE(LineBegins(3, ">")) << terminal_->Screen();
  const size_t title = Line(2).find("MEM%");
  ASSERT_NE(title, std::string::npos);
  terminal_->Send(absl::StrCat("\x1b[<0;", title + 1, ";3M\x1b[<0;1;3m"));
  EXPECT_TRUE(terminal_->Shows("sort:MEM%-")) << terminal_->Screen();
  terminal_->Send(absl::StrCat("\x1b[<0;", title + 1, ";3M\x1b[<0;1;3m"));
  EXPECT_TRUE(terminal_->Shows("sort:MEM%+")) << terminal_->Screen();
  terminal_->Type("q");
  ASSERT_TRUE(terminal_->Shows("ended=0"));
  // Who wants to select text with it may keep it.
  terminal_.Start("--no-mouse", "viewer", "TERM=xterm-256color");
  ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN"));
  EXPECT_EQ(Flag("mouse_any_flag"), "0");
}

// A state of the screen: the keys that lead to it, what it shows at any size
// from 80x24 on, and the keys that lead out of it.
struct State {
  const char* keys;
  const char* shows;
  const char* back;
};
constexpr State kStates[] = {{"", "SPC mark", ""},
                             {"h", "ROWS", "h"},
                             {"x", "other columns", "x"},
                             {"c", "COLUMNS", "c"},
                             {"\r", "ESC back", "\x1b"},
                             {"/", "filter:", "\x1b"},
                             {"e", "run on", "\x1b"},
                             {"*euptime\r", "Type 3 to run", "\x1b"},
                             {"*t", "follow the file", "\x1b"},
                             {"k", "signal [-TERM]", "\x1b"}};

TEST_F(TopTerminalTest, EverySizeWillDoInEveryState) {
  terminal_.Open(80, 24);
  terminal_.Start("--sort -host");
  ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN")) << terminal_->Screen();
  for (const State& state : kStates) {
    SCOPED_TRACE(state.keys);
    terminal_->Send(state.keys);
    ASSERT_TRUE(terminal_->Shows(state.shows)) << terminal_->Screen();
    for (const auto& [width, height] :
         {std::pair{40, 10}, {200, 50}, {7, 3}, {1, 1}, {80, 24}}) {
      terminal_->Resize(width, height);
    }
    EXPECT_TRUE(terminal_->Shows("3 hosts  1 up  2 DOWN"))
        << terminal_->Screen();
    EXPECT_TRUE(terminal_->Shows(state.shows)) << terminal_->Screen();
    terminal_->Send(state.back);
    ASSERT_TRUE(terminal_->Shows("SPC mark")) << terminal_->Screen();
    terminal_->Send("\x1b");  // and the marks
    ASSERT_TRUE(terminal_->Hides(" marked")) << terminal_->Screen();
  }
  // Smaller and back before the table has looked: what stood there is gone.
  for (int i = 0; i < 10; ++i) {
    terminal_->Resize(7, 3);
    terminal_->Resize(80, 24);
  }
  EXPECT_TRUE(terminal_->Shows("3 hosts  1 up  2 DOWN"));
  EXPECT_TRUE(terminal_->Shows("SPC mark")) << terminal_->Screen();
  // While the plain terminal has the output of a command, and after it.
  terminal_->Send("eecho fr\"om\"; sleep 300\r");
  ASSERT_TRUE(terminal_->Shows("from")) << terminal_->Screen();
  terminal_->Resize(200, 50);
  terminal_->Press("C-c");
  ASSERT_TRUE(terminal_->Shows("press Enter to go back"));
  terminal_->Resize(100, 30);
  terminal_->Press("Enter");
  ASSERT_TRUE(terminal_->Shows("SPC mark")) << terminal_->Screen();
  EXPECT_TRUE(LineBegins(29, "h help")) << terminal_->Screen();
  terminal_->Type("q");
  EXPECT_TRUE(terminal_->Shows("ended=0"));
}

// Whether a screen with escapes has some text in one of eight colours.
bool HasColours(const std::string& screen) {
  for (absl::string_view rest = screen; true;) {
    const size_t begin = rest.find("\033[");
    if (begin == absl::string_view::npos) return false;
    rest.remove_prefix(begin + 2);
    for (const absl::string_view code :
         absl::StrSplit(rest.substr(0, rest.find('m')), ';')) {
      if (code.size() == 2 && code[0] == '3' && code[1] != '9') return true;
    }
  }
}

TEST_F(TopTerminalTest, EveryLocaleWillDoInEveryState) {
  struct Case {
    const char* arguments;
    const char* before;
    bool colour;
    bool ascii;
  };
  for (const Case& one :
       {Case{"", "LC_ALL=C.UTF-8", true, false},
        Case{"--ascii", "LC_ALL=C.UTF-8 NO_COLOR=1", false, true},
        Case{"", "LC_ALL= LANG=C", true, true},
        Case{"", "LC_ALL=POSIX NO_COLOR=yes", false, true}}) {
    SCOPED_TRACE(absl::StrCat(one.before, " ", one.arguments));
    terminal_.Open(120, 40);
    terminal_.Start(absl::StrCat("--sort host ", one.arguments), "operator",
                    one.before);
    ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN")) << terminal_->Screen();
    bool coloured = false;
    bool ascii = true;
    for (const State& state : kStates) {
      terminal_->Send(state.keys);
      ASSERT_TRUE(terminal_->Shows(state.shows)) << terminal_->Screen();
      const std::string screen = terminal_->Screen(true);
      coloured |= HasColours(screen);
      ascii &= std::all_of(screen.begin(), screen.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x80;
      });
      terminal_->Send(state.back);
      ASSERT_TRUE(terminal_->Shows("SPC mark")) << terminal_->Screen();
      terminal_->Send("\x1b");
      ASSERT_TRUE(terminal_->Hides(" marked"));
    }
    EXPECT_EQ(coloured, one.colour);
    EXPECT_TRUE(ascii || !one.ascii);
    terminal_->Type("q");
    EXPECT_TRUE(terminal_->Shows("ended=0"));
  }
}

}  // namespace
}  // namespace specula::testing
