#ifndef SPECULA_AGENT_METRICS_MEMORY_H_
#define SPECULA_AGENT_METRICS_MEMORY_H_

#include "agent/proc/counters.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// Fills `memory`; formulas stand at the fields of v1::Memory. Pure.
//
// MemAvailable above MemTotal (LXC: lxcfs reports the container's total beside
// the host's available) is cut and marked CLAMPED; where it is missing (before
// Linux 3.14), free + buffers + cached + reclaimable stands for it, CLAMPED as
// well.
void FillMemory(const MemInfo& info, v1::Memory* memory);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_MEMORY_H_
