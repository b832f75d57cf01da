#ifndef SPECULA_CLIENTS_CPP_OUTCOME_H_
#define SPECULA_CLIENTS_CPP_OUTCOME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "clients/cpp/channel.h"

namespace specula {

// The words for how a call to one host ended, the same in tables, JSON and
// documents.
enum class Outcome {
  kOk,
  kTimeout,      // the host was reached, but did not answer in time
  kUnreachable,  // no connection: wrong name, no route, nothing listens, no
                 // answer
  kRefused,      // one side did not accept the other's certificate
  kDenied,       // the role or a policy of the host forbids it
  kLost,         // the agent went away in the middle of the call
  kFailed,       // the agent answered with another error
};

// "ok", "timeout", "unreachable", …
absl::string_view OutcomeName(Outcome outcome);

// How a call ended, and why, in words for a person: what happened and what to
// look at. One line, safe for a terminal.
struct Ending {
  Outcome outcome = Outcome::kOk;
  std::string reason;  // empty if ok
};

// Reads the ending of a unary call from its status. gRPC tells a refused
// certificate and a dead network by the same code, so its message is read as
// well; those of gRPC 1.51 are in the tests. Pure.
Ending ClassifyEnding(const absl::Status& status, const Endpoint& endpoint);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_OUTCOME_H_
