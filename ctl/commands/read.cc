#include "ctl/commands/read.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace specula::ctl {

int UsageError(const absl::Status& status) {
  fprintf(stderr, "specula: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

bool Print(const std::string& text) {
  absl::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EPIPE) perror("specula: cannot write to standard output");
      return false;
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

ViewOptions ViewForOutput() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return {.max_width = size.ws_col};
  }
  return {};
}

bool WantsColours() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 &&
         (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || absl::string_view(terminal) != "dumb");
}

std::string RoundPrefix(bool first) {
  if (isatty(STDOUT_FILENO) != 0) return "\033[H\033[2J";
  return first ? "" : "\n";
}

}  // namespace specula::ctl
