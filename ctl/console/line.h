#ifndef SPECULA_CTL_CONSOLE_LINE_H_
#define SPECULA_CTL_CONSOLE_LINE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

enum class Verb {
  kNothing,  // an empty line, or a comment
  kList,
  kPing,
  kStatus,
  kCpu,
  kMem,
  kDisk,
  kPs,
  kExec,
  kStart,
  kKill,
  kTail,
  kHelp,
  kBye,
};

// One line of the console, read.
struct ConsoleLine {
  Verb verb = Verb::kNothing;
  std::string hosts = {};  // an id, a name or a host set; empty: all
  std::string text = {};   // a line for the shell, or a path
  int64_t pid = 0;
  bool force = false;
};

// Reads a line; verbs may be in lower case. `is_host` says whether a word names
// hosts of the fleet: it decides whether the first word after EXEC, START and
// TAIL is one. INVALID_ARGUMENT says how the verb is used. Pure.
absl::StatusOr<ConsoleLine> ParseConsoleLine(
    absl::string_view line,
    const std::function<bool(absl::string_view)>& is_host);

// What the word that ends `line` may become: verbs for the first word, else
// those of `hosts`; in their order. `word` is that word's length. Pure.
struct Completions {
  std::vector<std::string> words;
  size_t word = 0;
};
Completions CompleteConsoleLine(absl::string_view line,
                                const std::vector<std::string>& hosts);

// What HELP shows.
std::string ConsoleHelp();

}  // namespace specula::ctl

#endif  // SPECULA_CTL_CONSOLE_LINE_H_
