#ifndef SPECULA_AGENT_BROKER_STAND_IN_H_
#define SPECULA_AGENT_BROKER_STAND_IN_H_

#include <functional>

namespace specula::agent {

// Whoever joins a container, as a kubelet's exec probe does, joins the
// namespaces of its first process. So a broker that leaves them must not be
// that process.
//
// Runs `run` in a forked child; this process stays where it is and does nothing
// but pass TERM, INT and HUP on, and end as the child does. The child is told
// to end (TERM) when this process dies. From a single-threaded process only.
// Gives the child's exit code, or 128 + the signal that it died by.
int RunBehindStandIn(const std::function<int()>& run);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_STAND_IN_H_
