#ifndef SPECULA_AGENT_METRICS_NETWORK_H_
#define SPECULA_AGENT_METRICS_NETWORK_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// Fills `network` with the interfaces that `is_virtual` says no to; where it
// says yes to all (a container sees veth ends only) those named eth* are taken.
// A counter that ran backwards, or a rate beyond 100 GB/s, gives RESET and
// stays out of the sum; without any interface that was measured there is no
// sum. Pure.
void FillNetwork(const std::vector<InterfaceCounters>* previous,
                 const std::vector<InterfaceCounters>& current,
                 absl::Duration window,
                 const std::function<bool(const std::string&)>& is_virtual,
                 v1::Network* network);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_NETWORK_H_
