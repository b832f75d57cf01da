#ifndef SPECULA_CTL_PREFLIGHT_H_
#define SPECULA_CTL_PREFLIGHT_H_

#include "ctl/fleet.h"
#include "ctl/interrupt.h"

namespace specula::ctl {

// Asks each host whether it could run a command, and runs nothing: is it there,
// for how many days are its certificate and ours good, does it let our role
// run commands. That is asked by an Exec that names no program, which the
// agent's gate judges like any other and which ends before anything is begun.
// What the host's own ceiling would say to a certain command cannot be known
// without running it, and is not claimed.
//
// Prints a row, or with the fleet's `json` a line, for each host. Gives the
// exit code: 255 if some host could not.
int RunPreflight(ClosedFleet& fleet, const FleetOptions& options,
                 Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PREFLIGHT_H_
