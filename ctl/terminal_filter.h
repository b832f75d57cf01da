#ifndef SPECULA_CTL_TERMINAL_FILTER_H_
#define SPECULA_CTL_TERMINAL_FILTER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace specula::ctl {

// Makes a stream of bytes from a host safe for a terminal: all it can do there
// is to write text, line after line.
//
//   newline, tab       stay
//   CR LF              newline; so do CRs alone, with which programs draw over
//                      their own line (progress bars become lines)
//   ESC [ … m          is dropped: colours say nothing by themselves
//   other controls,    \xNN, as EscapeControls has it: sequences that move the
//   bytes not UTF-8    cursor, set titles or answer back are shown, not done
//
// What is cut by the end of a chunk (a character, a sequence, a CR) is held
// until the next one; that is at most 64 bytes. Pure; one stream each.
class TerminalFilter {
 public:
  // The text that can be shown now.
  std::string Feed(absl::string_view bytes);
  // The end: what was held.
  std::string Flush();

 private:
  std::string Filter(absl::string_view text, bool last);
  std::string held_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TERMINAL_FILTER_H_
