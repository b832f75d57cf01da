#ifndef SPECULA_TESTS_E2E_TOP_TERMINAL_H_
#define SPECULA_TESTS_E2E_TOP_TERMINAL_H_

#include <memory>
#include <string>

#include "tests/e2e/harness.h"
#include "tests/e2e/tmux.h"

namespace specula::testing {

// `specula top` on a terminal, as somebody types it into a shell.
class TopTerminal {
 public:
  // Of these hosts, as --hosts takes them.
  TopTerminal(const Pki& pki, std::string hosts)
      : pki_(pki), hosts_(std::move(hosts)) {}

  // A terminal of that size, in place of the one before.
  void Open(int width, int height);
  // Runs the table there, as somebody of the pki; `before`: of its environment.
  // When it ends the shell shows "ended=" and its exit code.
  void Start(const std::string& arguments, const std::string& who = "operator",
             const std::string& before = "");
  // The same with the text of a shell script.
  void StartScript(const std::string& text);
  // The command line of the table.
  std::string Command(const std::string& arguments,
                      const std::string& who = "operator") const;

  const Tmux& operator*() const { return *terminal_; }
  const Tmux* operator->() const { return terminal_.get(); }
  const TemporaryDirectory& directory() const { return directory_; }

 private:
  const Pki& pki_;
  const std::string hosts_;
  TemporaryDirectory directory_;
  std::unique_ptr<Tmux> terminal_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_TOP_TERMINAL_H_
