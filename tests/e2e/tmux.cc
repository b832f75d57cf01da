#include "tests/e2e/tmux.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/unique_fd.h"

extern char** environ;

namespace specula::testing {
namespace {

// Its output, without the wait of a poll: what is measured through a terminal
// should not be our own sleep.
std::string OutputOf(std::vector<std::string> words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return "";
  out.Reset();
  std::string text;
  char buffer[16 << 10];
  ssize_t got;
  while ((got = read(in.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  waitpid(pid, nullptr, 0);
  return text;
}

// A server that was told to end may still hold the socket of its name.
std::string NextSocket(const TemporaryDirectory& directory) {
  static int count = 0;
  return directory.File(absl::StrCat("tmux", ++count));
}

}  // namespace

Tmux::Tmux(const TemporaryDirectory& directory, int width, int height,
           std::vector<std::string> before)
    : socket_(NextSocket(directory)) {
  for (const std::string& word : std::vector<std::string>{
           "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
           "TERM=xterm-256color", "/usr/bin/tmux", "-u", "-S", socket_, "-f",
           "/dev/null", "new-session", "-d", "-x", absl::StrCat(width), "-y",
           absl::StrCat(height), "env PS1='shell> ' bash --norc --noprofile"})
    before.push_back(word);
  const Result made = RunProgram(before);
  EXPECT_EQ(made.exit_code, 0) << made.err;
  // A status line would take one of the lines.
  Run({"set-option", "-g", "status", "off"});
  EXPECT_TRUE(Shows("shell>"));
}

Tmux::~Tmux() { Run({"kill-server"}); }

std::string Tmux::Run(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {"/usr/bin/tmux", "-u", "-S", socket_};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return OutputOf(std::move(all));
}

void Tmux::Type(const std::string& text) const {
  Run({"send-keys", "-l", "--", text});
}

void Tmux::Press(const std::string& key) const { Run({"send-keys", key}); }

void Tmux::Send(const std::string& bytes) const {
  std::vector<std::string> words = {"send-keys", "-H"};
  for (const char byte : bytes) {
    words.push_back(absl::StrFormat("%02x", static_cast<unsigned char>(byte)));
  }
  Run(words);
}

void Tmux::Resize(int width, int height) const {
  Run({"resize-window", "-x", absl::StrCat(width), "-y", absl::StrCat(height)});
}

std::string Tmux::Screen(bool escapes) const {
  return escapes ? Run({"capture-pane", "-p", "-e"})
                 : Run({"capture-pane", "-p"});
}

bool Tmux::Shows(const std::string& text) const {
  return Eventually([&] { return Screen().find(text) != std::string::npos; });
}

bool Tmux::Hides(const std::string& text) const {
  return Eventually([&] { return Screen().find(text) == std::string::npos; });
}

pid_t Tmux::Child() const {
  const std::string shell = Run({"display-message", "-p", "#{pane_pid}"});
  int child = -1;
  Eventually([&] {
    return absl::SimpleAtoi(
        OutputOf({"/usr/bin/pgrep", "-P", shell.substr(0, shell.find('\n'))}),
        &child);
  });
  return child;
}

}  // namespace specula::testing
