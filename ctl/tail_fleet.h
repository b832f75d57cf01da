#ifndef SPECULA_CTL_TAIL_FLEET_H_
#define SPECULA_CTL_TAIL_FLEET_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "clients/cpp/tail_call.h"
#include "ctl/interrupt.h"
#include "ctl/target.h"

namespace specula::ctl {

struct TailFleetOptions {
  absl::Duration answer_within;
  bool raw = false;
  // Which lines are shown; null: all.
  std::function<bool(absl::string_view line)> keep;
};

// The same file of many hosts as one text of whole lines, each with its host in
// front (see LineMerger; a single host needs none). What happens to a file, and
// why a host has no more to say, is told on standard error. Ends when all have
// ended, or at Ctrl-C. Gives the exit code: 255 if some host failed, 141 if
// nobody reads the output, else 0, or 130 where it was not to be followed.
int TailFleet(const std::vector<Target>& targets,
              const v1::TailRequest& request, const TailFleetOptions& options,
              Interrupt& interrupt);

// What happened to a file, in words.
std::string TailEventText(const v1::TailEvent& event);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TAIL_FLEET_H_
