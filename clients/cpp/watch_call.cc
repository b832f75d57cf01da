#include "clients/cpp/watch_call.h"

#include <utility>

namespace specula {

std::shared_ptr<WatchCall> WatchCall::Create(
    std::shared_ptr<grpc::Channel> channel, v1::WatchRequest request,
    const StreamOptions& options, WatchEvents events) {
  return std::shared_ptr<WatchCall>(new WatchCall(
      std::move(channel), std::move(request), options, std::move(events)));
}

WatchCall::WatchCall(std::shared_ptr<grpc::Channel> channel,
                     v1::WatchRequest request, const StreamOptions& options,
                     WatchEvents events)
    : StreamCall(std::move(channel), options, /*connection_answers=*/false),
      request_(std::move(request)),
      events_(std::move(events)) {}

void WatchCall::Call(grpc::ClientContext* context) {
  CallMethod("Watch", context, &request_);
}

bool WatchCall::OnMessage(v1::WatchResponse& message) {
  return events_.snapshot(std::move(message));
}

void WatchCall::OnFinished(const absl::Status& status) {
  // The events may own who owns this call.
  const WatchEvents events = std::exchange(events_, {});
  events.finished(status);
}

}  // namespace specula
