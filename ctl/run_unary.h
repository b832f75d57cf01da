#ifndef SPECULA_CTL_RUN_UNARY_H_
#define SPECULA_CTL_RUN_UNARY_H_

#include <vector>

#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "ctl/target.h"
#include "specula/v1/specula.pb.h"

// The commands that act by one call on each host: asked, shown, and told by the
// exit code. Of the options only the time limit and --json count.
namespace specula::ctl {

// Starts a program that outlives the call. Says which hosts are in doubt.
int RunStartOn(ClosedFleet& fleet, const v1::StartRequest& request,
               const FleetOptions& options, Interrupt& interrupt);

// Signals a process.
int RunKillOn(const std::vector<Target>& targets,
              const v1::KillRequest& request, const FleetOptions& options,
              Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_RUN_UNARY_H_
