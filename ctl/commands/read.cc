#include "ctl/commands/read.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace specula::ctl {

int UsageError(const absl::Status& status) {
  SayError(status.message());
  return kExitUsage;
}

ExitCode ExitCodeOf(Written written) {
  switch (written) {
    case Written::kAll:
      return kExitOk;
    case Written::kNoReader:
      return kExitClosedPipe;
    case Written::kFailed:
      return kExitNoResult;
  }
  return kExitNoResult;
}

ExitCode Print(absl::string_view text) { return ExitCodeOf(PrintText(text)); }

void SayError(absl::string_view line) {
  PrintErrorText(absl::StrCat("specula: ", line, "\n"));
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
