#ifndef SPECULA_CTL_CONSOLE_LINE_READER_H_
#define SPECULA_CTL_CONSOLE_LINE_READER_H_

#include <functional>
#include <memory>
#include <string>

#include "ctl/console/line.h"
#include "ctl/interrupt.h"

namespace specula::ctl {

// Where the console's lines come from. One thread.
class LineReader {
 public:
  enum class What {
    kLine,
    kInterrupted,  // Ctrl-C: what was typed is void
    kEnd,          // Ctrl-D, or the end of the script
    kTerminated,   // SIGTERM
  };

  virtual ~LineReader() = default;
  // Waits for a line, without its newline.
  virtual What Read(std::string& line) = 0;
};

// Lines of a file, such as a script on standard input.
std::unique_ptr<LineReader> ReadScript(int fd);

// Lines that are typed, with editing, completion and a history that is kept in
// the file `history` (for its owner only); empty: not kept.
struct EditorOptions {
  std::string prompt;
  std::string history;
  std::function<Completions(absl::string_view line)> complete;
};
std::unique_ptr<LineReader> EditLines(EditorOptions options);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_CONSOLE_LINE_READER_H_
