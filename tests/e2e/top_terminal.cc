#include "tests/e2e/top_terminal.h"

#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace specula::testing {

void TopTerminal::Open(int width, int height) {
  terminal_ = std::make_unique<Tmux>(directory_, width, height);
}

std::string TopTerminal::Command(const std::string& arguments,
                                 const std::string& who) const {
  return absl::StrCat(
      absl::StrJoin(ControllerArguments(pki_, who, hosts_, {}), " "), " top ",
      arguments);
}

void TopTerminal::Start(const std::string& arguments, const std::string& who,
                        const std::string& before) {
  StartScript(absl::StrCat(before, " exec ", Command(arguments, who)));
}

void TopTerminal::StartScript(const std::string& text) {
  // In a file, as it is longer than a screen.
  const std::string script = directory_.File("run");
  std::ofstream(script) << "#!/bin/sh\n" << text << "\n";
  chmod(script.c_str(), 0700);
  terminal_->Type(absl::StrCat("clear; ", script, "; echo ended=$?"));
  terminal_->Press("Enter");
}

}  // namespace specula::testing
