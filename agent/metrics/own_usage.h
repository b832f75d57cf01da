#ifndef SPECULA_AGENT_METRICS_OWN_USAGE_H_
#define SPECULA_AGENT_METRICS_OWN_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "agent/proc/proc_root.h"

namespace specula::agent {

// What the agent itself uses: this process, which is the front, and the broker,
// which is another. Thread-safe.
class OwnUsage {
 public:
  // `self` reads the /proc that the agent itself is in, whatever host it looks
  // at, and must outlive this. 0 for `broker`: there is none.
  OwnUsage(ProcRoot& self, pid_t broker) : self_(self), broker_(broker) {}

  // CPU time of both since each began, to the nanosecond: /proc counts in
  // hundredths of a second, which is too coarse for what they use. Nothing if
  // the broker is gone.
  std::optional<absl::Duration> CpuTime() const;

  // Resident memory of both, shared pages in each. A process of which it
  // cannot be read counts as 0.
  int64_t ResidentBytes() const;

 private:
  ProcRoot& self_;
  const pid_t broker_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_OWN_USAGE_H_
