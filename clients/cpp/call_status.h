#ifndef SPECULA_CLIENTS_CPP_CALL_STATUS_H_
#define SPECULA_CLIENTS_CPP_CALL_STATUS_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace specula {

// How a call ended, as gRPC told at its end. gRPC says DEADLINE_EXCEEDED both
// when there was no connection in time and when the host had it but did not
// answer; whether the channel was connected then is kept with the status.
absl::Status CallStatus(const grpc::Status& status, grpc::Channel& channel);

// Whether a DEADLINE_EXCEEDED of CallStatus is of a host that was connected.
bool WasConnected(const absl::Status& status);

// How a call ended whose answer is none: DATA_LOSS, and `why` as the end of
// "the answer of HOST cannot be read: …". No server can send such a status.
absl::Status UnreadableAnswer(absl::string_view why);

// Whether a status is of UnreadableAnswer.
bool IsUnreadableAnswer(const absl::Status& status);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_CALL_STATUS_H_
