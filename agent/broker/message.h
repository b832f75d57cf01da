#ifndef SPECULA_AGENT_BROKER_MESSAGE_H_
#define SPECULA_AGENT_BROKER_MESSAGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/environment.h"

// Messages between front and broker, read with suspicion: the front parses what
// strangers send, so the broker takes nothing from it on trust. Pure.
namespace specula::agent {

// INVALID_ARGUMENT unless it is a message with an id; no front of ours sends
// another.
absl::StatusOr<broker::Request> ParseRequest(absl::string_view bytes);

// INVALID_ARGUMENT unless it has one operation, and every field is within the
// bounds that broker.proto says. What it asks for may still be refused.
absl::Status CheckRequest(const broker::Request& request);

// INVALID_ARGUMENT unless it is an answer or an event.
absl::StatusOr<broker::Answer> ParseAnswer(absl::string_view bytes);

// Status in an answer.
void SetStatus(const absl::Status& status, broker::Answer& answer);
absl::Status StatusOf(const broker::Answer& answer);

// The variables of a command, the last of a name.
Environment EnvironmentOf(const broker::Spawn& command);

// The program and its arguments: those of argv, or /bin/sh -c LINE.
std::vector<std::string> ArgumentsOf(const broker::Spawn& command);

// A number that two commands have in common only if they are the same, key and
// caller apart. `input` is what goes to standard input.
uint64_t FingerprintOf(const broker::Spawn& command, absl::string_view input);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_MESSAGE_H_
