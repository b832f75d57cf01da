#ifndef SPECULA_TESTS_E2E_TMUX_H_
#define SPECULA_TESTS_E2E_TMUX_H_

#include <string>
#include <vector>

#include "tests/e2e/harness.h"

namespace specula::testing {

// A terminal with a shell in it: tmux on a socket of its own, ended with the
// object. Its environment is its own too, so that ours decides nothing. The
// prompt is "shell>".
class Tmux {
 public:
  // The socket is in `directory`. `before`: words that run what follows them,
  // elsewhere for instance.
  Tmux(const TemporaryDirectory& directory, int width, int height,
       std::vector<std::string> before = {});
  ~Tmux();
  Tmux(const Tmux&) = delete;
  Tmux& operator=(const Tmux&) = delete;

  // A command of tmux, and what it printed.
  std::string Run(const std::vector<std::string>& arguments) const;
  void Type(const std::string& text) const;
  void Press(const std::string& key) const;  // by tmux's names: Enter, C-c
  // Bytes as a terminal sends them, such as a mouse's.
  void Send(const std::string& bytes) const;
  void Resize(int width, int height) const;
  // What is shown now; `escapes`: with colours.
  std::string Screen(bool escapes = false) const;
  // Whether that comes to be shown, or stops being shown.
  bool Shows(const std::string& text) const;
  bool Hides(const std::string& text) const;
  // The process that the shell runs; waits for it. -1: there is none.
  pid_t Child() const;

 private:
  const std::string socket_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_TMUX_H_
