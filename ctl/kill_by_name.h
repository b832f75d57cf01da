#ifndef SPECULA_CTL_KILL_BY_NAME_H_
#define SPECULA_CTL_KILL_BY_NAME_H_

#include <string>
#include <vector>

#include "ctl/fan_out.h"
#include "ctl/find_processes.h"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "ctl/views.h"
#include "specula/v1/specula.pb.h"

// The processes of many hosts that have a name, and their end.
namespace specula::ctl {

// One process that would be signalled.
struct Match {
  size_t host = 0;  // its place among the targets
  int64_t pid = 0;
  int64_t start_ticks = 0;  // so that no other with its pid is hit
  std::string command;
};

// What was found on the hosts that gave their lists. Pure.
std::vector<Match> MatchesOf(const Results<FoundProcesses>& results);

// One line for each command, with how many there are and on which hosts. Pure.
std::string ViewMatches(const std::vector<Match>& matches,
                        const std::vector<std::string>& names);

// Looks on all targets, shows what was found, asks on a terminal for a typed
// yes unless `confirmed`, and signals each process, `request` saying how. Gives
// the exit code: 1 if there is none or it was not confirmed, 255 if some host
// or process gave no result, or a host not all of its processes.
int KillByName(ClosedFleet& fleet, const NameOptions& name,
               const v1::KillRequest& request, bool confirmed,
               const FleetOptions& options, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_KILL_BY_NAME_H_
