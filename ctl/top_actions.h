#ifndef SPECULA_CTL_TOP_ACTIONS_H_
#define SPECULA_CTL_TOP_ACTIONS_H_

#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "ctl/ui/top_state.h"

namespace specula::ctl {

// Does to hosts what was chosen in the table, on the plain terminal: the same
// as `specula exec`, `tail -f` and `kill` do, with their questions and words.
// Hosts are the fleet's, by their place. Gives the exit code that the command
// would have had.
int RunTopAction(const ClosedFleet& fleet, const Action& action,
                 const FleetOptions& options, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TOP_ACTIONS_H_
