#ifndef SPECULA_AGENT_BROKER_FRONT_PROCESS_H_
#define SPECULA_AGENT_BROKER_FRONT_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/broker/namespaces.h"
#include "agent/broker/users.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// How long to wait before a front that died is started again: 0.1 s, doubling
// to 10 s, and from the beginning after one that lived for 60 s. Pure.
class Backoff {
 public:
  // A front that lived that long has died.
  absl::Duration Next(absl::Duration lived);

 private:
  absl::Duration last_ = absl::ZeroDuration();
};

// With this a front says that it cannot start and that the next one could not
// either: a file or an address is wrong. Of the first front the broker believes
// it and ends; a later one has a predecessor that could, so it is tried again.
inline constexpr int kFrontCannotStart = 78;  // EX_CONFIG of sysexits.h

// The front's main, run in the child: it gets its end of the channel, and what
// it returns is the exit code.
using RunFront = std::function<int(UniqueFd channel)>;

// Forks the front: no descriptor of the broker's but 0 to 2 and the channel,
// default signals, nothing blocked, as `user` if given (with no way back:
// no_new_privs), ended by TERM when the broker dies. A broker that has entered
// the host's namespaces gives `entered`, which the front leaves again. From the
// main thread, by OffLoop::Fork. Its pid.
absl::StatusOr<pid_t> StartFront(const RunFront& run,
                                 const std::optional<User>& user,
                                 const HostNamespaces* entered,
                                 UniqueFd channel);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_FRONT_PROCESS_H_
