#ifndef SPECULA_AGENT_FRONT_TO_BROKER_H_
#define SPECULA_AGENT_FRONT_TO_BROKER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "specula/v1/specula.pb.h"

// From the contract's words to the broker's. Pure.
namespace specula::agent {

// What is given to the broker for a command. `caller` is whose limits count.
// INVALID_ARGUMENT names the field that makes no sense; whether it is allowed
// is the broker's to say.
absl::StatusOr<broker::Spawn> ToSpawn(const v1::Command& command,
                                      absl::string_view caller);

// INVALID_ARGUMENT for a pid or signal that cannot be.
absl::StatusOr<broker::Kill> ToKill(const v1::KillRequest& request);

// How an Exec ended.
v1::ExecExited ToExited(const broker::Exited& exited, const broker::Gone& gone,
                        bool drained, bool truncated);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TO_BROKER_H_
