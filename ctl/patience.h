#ifndef SPECULA_CTL_PATIENCE_H_
#define SPECULA_CTL_PATIENCE_H_

#include "absl/time/time.h"
#include "ctl/from_proto.h"
#include "specula/v1/specula.pb.h"

// How long the controller waits for a process tree that it has told to end.
namespace specula::ctl {

// What an agent may need beyond the grace: it reads the pipes for 2 s more.
inline constexpr absl::Duration kDrain = absl::Seconds(2);
// For the proof, after KILL.
inline constexpr absl::Duration kAfterKill = absl::Seconds(5);
// A cancelled call ends by itself, without the host.
inline constexpr absl::Duration kAfterCancel = absl::Seconds(2);

// Between TERM and KILL; 5 s unless the command says otherwise, as at the
// agent.
inline absl::Duration GraceOf(const v1::Command& command) {
  return command.has_grace() ? FromProto(command.grace()) : absl::Seconds(5);
}

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PATIENCE_H_
