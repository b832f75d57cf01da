#ifndef SPECULA_CTL_LINE_MERGER_H_
#define SPECULA_CTL_LINE_MERGER_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ctl/gather.h"
#include "ctl/terminal_filter.h"

namespace specula::ctl {

// Makes one text of what many hosts send at once: whole lines, each with its
// host in front, "vm1: " or, from standard error, "vm1! ". Parts of two lines
// are never mixed: what has no newline yet is held until it has one.
//
// Bounded: a line that does not end is shown in parts of `most_held_bytes`,
// each as a line with a prefix of its own. Pure; one thread.
class LineMerger {
 public:
  struct Options {
    bool safe = false;     // through a TerminalFilter
    bool colours = false;  // hosts in colours, each always the same
    size_t most_held_bytes = 16 << 10;
    bool prefix = true;  // false: no host in front
    // Which lines are shown, by their text without the newline; null: all.
    std::function<bool(absl::string_view line)> keep = nullptr;
  };

  LineMerger(std::vector<std::string> names, Options options);

  // The lines that are whole now; empty if none is.
  std::string Feed(size_t host, OutputStream stream, absl::string_view bytes);

  // The end of a host: its last lines, if they lacked a newline.
  std::string Flush(size_t host, OutputStream stream);

 private:
  struct Held {
    TerminalFilter filter;
    std::string line;
  };

  void Append(size_t host, OutputStream stream, absl::string_view line,
              std::string& lines) const;
  // Moves the lines of `text` and what was held before them to the result.
  std::string Cut(size_t host, OutputStream stream, absl::string_view text);
  std::string Prefix(size_t host, OutputStream stream) const;

  const std::vector<std::string> names_;
  const Options options_;
  std::vector<std::array<Held, 2>> held_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_LINE_MERGER_H_
