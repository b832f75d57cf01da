#ifndef SPECULA_AGENT_METRICS_MEMORY_H_
#define SPECULA_AGENT_METRICS_MEMORY_H_

#include <optional>

#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// Fills `memory`; formulas stand at the fields of v1::Memory. Pure. `arc` is
// the cache of ZFS in the memory that `info` speaks of; absent without.
//
// MemAvailable above MemTotal (LXC: lxcfs reports the container's total beside
// the host's available) is not believed; in its place, and where it is missing
// (before Linux 3.14), stands free + buffers + cached + reclaimable, marked
// CLAMPED. Where that cannot be either, UNAVAILABLE: total, available and used
// stay 0. What the ARC gives back must lie in what is used; else the ARC is not
// of this memory and is left out, CLAMPED. A swap, or huge pages, of which more
// is free than there is are left out.
void FillMemory(const MemInfo& info, const std::optional<ArcStats>& arc,
                v1::Memory* memory);

// Reads the cache of ZFS, where /proc/meminfo speaks of the memory that it lies
// in: the file of a container, which lxcfs puts over the host's, does not.
std::optional<ArcStats> ReadArc(ProcRoot& root);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_MEMORY_H_
