#include "clients/cpp/call_status.h"

#include "absl/strings/cord.h"
#include "lib/rpc/grpc_status.h"

namespace specula {
namespace {

constexpr char kConnected[] = "specula/connected";
constexpr char kUnreadable[] = "specula/unreadable";

}  // namespace

absl::Status CallStatus(const grpc::Status& status, grpc::Channel& channel) {
  absl::Status told = FromGrpc(status);
  if (absl::IsDeadlineExceeded(told) &&
      channel.GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
    told.SetPayload(kConnected, absl::Cord());
  }
  return told;
}

bool WasConnected(const absl::Status& status) {
  return status.GetPayload(kConnected).has_value();
}

absl::Status UnreadableAnswer(absl::string_view why) {
  absl::Status status = absl::DataLossError(why);
  status.SetPayload(kUnreadable, absl::Cord());
  return status;
}

bool IsUnreadableAnswer(const absl::Status& status) {
  return status.GetPayload(kUnreadable).has_value();
}

}  // namespace specula
