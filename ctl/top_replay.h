#ifndef SPECULA_CTL_TOP_REPLAY_H_
#define SPECULA_CTL_TOP_REPLAY_H_

#include <string>

#include "ctl/interrupt.h"
#include "ctl/ui/columns.h"

namespace specula::ctl {

// `specula top --replay`.
struct TopReplay {
  std::string path;
  std::string at;  // where to begin, see ParseStartTime; empty: its begin, or
                   // with `once` its end
  bool once = false;
  bool json = false;  // with `once`: a line for each host
  bool ascii = false;
  bool mouse = true;
  std::string filter;
  ColumnId sort = ColumnId::kCpu;
  bool descending = true;
};

// The table over a recording: no host is asked, and nothing can be done to one.
// Gives the exit code: as the live table's, 2 if the recording cannot be read.
int RunTopReplay(const TopReplay& replay, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TOP_REPLAY_H_
