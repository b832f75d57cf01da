#ifndef SPECULA_AGENT_BROKER_CEILING_H_
#define SPECULA_AGENT_BROKER_CEILING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/broker/environment.h"

// The host's own limit to what anybody may do on it, whatever his role and
// whatever the front says. Configuration; the broker holds to it. Pure.
//
// Refusals are PERMISSION_DENIED and begin with "this host's ceiling:", numbers
// of running programs are RESOURCE_EXHAUSTED.
namespace specula::agent {

enum class KillScope {
  kNone,
  kStarted,  // only what was started through the agent
  kAny,
};

struct Ceiling {
  // Exec and Start at all.
  bool commands = true;
  // As whom. Empty: anybody.
  std::vector<std::string> users;
  // Where a request names nobody. Empty: the broker's own user.
  std::string default_user;
  // Absolute paths of the only programs that may be run, compared as they are
  // written. Empty: any. With a list a caller can neither use a shell line,
  // unless /bin/sh is in it, nor set the environment, which could make another
  // program of it.
  std::vector<std::string> programs;
  // Tail at all, and under which directories. Empty: any.
  bool tail = true;
  std::vector<std::string> tail_roots;
  KillScope kill = KillScope::kAny;
  // Execs that are not gone yet, in all and of one caller; Starts of which
  // something runs, be it only what the program has left behind.
  int max_execs = 64;
  int max_execs_per_caller = 64;
  int max_started = 256;
  // Of an Exec. Also what holds where a request says nothing; 0: no limit.
  absl::Duration max_timeout = absl::ZeroDuration();
  int64_t max_output_bytes = 0;
};

// Whose limit and how many run now.
struct RunningCounts {
  int execs = 0;
  int execs_of_caller = 0;
  int started = 0;
};

// INVALID_ARGUMENT for a ceiling that says nothing sensible, such as a relative
// path.
absl::Status CheckCeiling(const Ceiling& ceiling);

// Whether a command may be run at all, and one more of them now.
absl::Status AllowsCommand(const Ceiling& ceiling, bool start,
                           const RunningCounts& running);

// As whom it runs, by name; empty for the broker's own user. `own_user` is the
// name of that one.
absl::StatusOr<std::string> AllowedUser(const Ceiling& ceiling,
                                        absl::string_view asked,
                                        absl::string_view own_user);

// Those of `candidates` that may be run. Never empty when OK.
absl::StatusOr<std::vector<std::string>> AllowedPrograms(
    const Ceiling& ceiling, std::vector<std::string> candidates,
    const Environment& asked);

// What holds when a request asks for `asked` and 0 means nothing in particular.
absl::Duration AllowedTimeout(const Ceiling& ceiling, absl::Duration asked);
int64_t AllowedOutputBytes(const Ceiling& ceiling, int64_t asked);

absl::Status AllowsTail(const Ceiling& ceiling);
absl::Status AllowsKill(const Ceiling& ceiling, bool is_started_here);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CEILING_H_
