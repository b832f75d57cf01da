#include "tests/e2e/on_terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace specula::testing {

Shown RunOnTerminal(std::vector<std::string> words, const std::string& typed) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv.data());
    _exit(127);
  }
  Shown shown;
  char buffer[4096];
  bool has_typed = typed.empty();
  while (true) {
    const ssize_t got = read(terminal, buffer, sizeof buffer);
    if (got <= 0) break;
    shown.text.append(buffer, static_cast<size_t>(got));
    if (!has_typed && shown.text.find('\n') != std::string::npos) {
      has_typed = true;
      EXPECT_EQ(write(terminal, typed.data(), typed.size()),
                static_cast<ssize_t>(typed.size()));
    }
  }
  waitpid(pid, &shown.status, 0);
  close(terminal);
  return shown;
}

}  // namespace specula::testing
