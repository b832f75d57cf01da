#ifndef SPECULA_AGENT_METRICS_NETWORK_H_
#define SPECULA_AGENT_METRICS_NETWORK_H_

#include <vector>

#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// Fills `network` with those of `current` for which `counted` says so at the
// same place; see CountedInterfaces. A counter that ran backwards, or a rate
// beyond 100 GB/s, gives RESET and stays out of the sum; without any interface
// that was measured there is no sum, and without any that is counted the
// network is UNAVAILABLE. Pure.
void FillNetwork(const std::vector<InterfaceCounters>* previous,
                 const std::vector<InterfaceCounters>& current,
                 absl::Duration window, const std::vector<bool>& counted,
                 v1::Network* network);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_NETWORK_H_
