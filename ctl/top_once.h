#ifndef SPECULA_CTL_TOP_ONCE_H_
#define SPECULA_CTL_TOP_ONCE_H_

#include <vector>

#include "absl/time/time.h"
#include "ctl/interrupt.h"
#include "ctl/target.h"
#include "ctl/ui/live_feed.h"
#include "ctl/ui/top_state.h"

namespace specula::ctl {

struct TopOnce {
  bool json = false;  // a line for each host instead of the table
  bool ascii = false;
  absl::TimeZone zone;
};

// Shows the table as it is, and gives the exit code. `begun`: from when the
// time is counted that an answer took.
int ShowTopOnce(const TopOnce& once, const std::vector<Target>& targets,
                absl::Time begun, absl::Time now, TopState& state);

// Waits until every host is settled by `feed`, which asks once; shows the table
// on standard output, without a terminal. Gives the exit code: 255 if some host
// is not up.
int RunTopOnce(const TopOnce& once, const std::vector<Target>& targets,
               LiveFeed& feed, TopState& state, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TOP_ONCE_H_
