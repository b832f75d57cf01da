#ifndef SPECULA_TESTS_E2E_TMUX_H_
#define SPECULA_TESTS_E2E_TMUX_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/harness.h"

namespace specula::testing {

// A terminal with a shell in it, on a socket of its own.
class Tmux {
 public:
  // `before`: words that run what follows them, elsewhere for instance.
  Tmux(const TemporaryDirectory& directory, int width, int height,
       std::vector<std::string> before = {})
      : socket_(directory.File("tmux")) {
    // Its own environment, so that ours decides nothing.
    for (const std::string& word : std::vector<std::string>{
             "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
             "TERM=xterm-256color", "/usr/bin/tmux", "-u", "-S", socket_, "-f",
             "/dev/null", "new-session", "-d", "-x", absl::StrCat(width), "-y",
             absl::StrCat(height), "env PS1='shell> ' bash --norc --noprofile"})
      before.push_back(word);
    const Result made = RunProgram(before);
    EXPECT_EQ(made.exit_code, 0) << made.err;
    // What was drawn stays to be looked at, and a status line would take one.
    Run({"set-option", "-g", "status", "off"});
    EXPECT_TRUE(Shows("shell>"));
  }
  ~Tmux() { Run({"kill-server"}); }

  std::string Run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all = {"/usr/bin/tmux", "-u", "-S", socket_};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunProgram(all).out;
  }
  void Type(const std::string& text) const {
    Run({"send-keys", "-l", "--", text});
  }
  void Press(const std::string& key) const { Run({"send-keys", key}); }
  void Resize(int width, int height) const {
    Run({"resize-window", "-x", absl::StrCat(width), "-y",
         absl::StrCat(height)});
  }
  std::string Screen(bool escapes = false) const {
    return escapes ? Run({"capture-pane", "-p", "-e"})
                   : Run({"capture-pane", "-p"});
  }
  bool Shows(const std::string& text) const {
    return Eventually([&] { return Screen().find(text) != std::string::npos; });
  }

 private:
  const std::string socket_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_TMUX_H_
