#ifndef SPECULA_AGENT_METRICS_CPU_H_
#define SPECULA_AGENT_METRICS_CPU_H_

#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// Fills `cpu` from two readings of /proc/stat that lie `window` apart. Pure.
//
//   total = user + nice + system + idle + iowait + irq + softirq + steal
//   share of a state = its difference / difference of total
//   utilization = 1 - idle - iowait
//
// Guest time is part of user and is not added. A counter that runs back a
// little (iowait does) counts as standing still; where idle runs back by 3 s or
// more or total does not grow, the quality is RESET and there are no shares.
// Cores are matched by number. Without `previous` the quality is FIRST.
void FillCpu(const CpuStat* previous, const CpuStat& current,
             absl::Duration window, v1::Cpu* cpu);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_CPU_H_
