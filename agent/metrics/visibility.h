#ifndef SPECULA_AGENT_METRICS_VISIBILITY_H_
#define SPECULA_AGENT_METRICS_VISIBILITY_H_

#include "absl/status/status.h"
#include "agent/proc/proc_root.h"

namespace specula::agent {

// What of /proc this process may see. Each is OK, or PERMISSION_DENIED with a
// sentence that says why not and what to do.
struct Visibility {
  absl::Status processes;  // those of all users
  absl::Status files;      // those that speak of the host, such as meminfo
};

// Finds out whether the mount of the host's /proc (hidepid=, subset=) or its
// first process, which is always there, hides something from this process.
// `own` is where the agent is, with its own mounts. A recorded tree hides
// nothing.
Visibility FindVisibility(const ProcRoot& root, const ProcRoot& own);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_VISIBILITY_H_
