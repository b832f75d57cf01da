#include "clients/cpp/tail_call.h"

#include <utility>

namespace specula {

std::shared_ptr<TailCall> TailCall::Create(
    std::shared_ptr<grpc::Channel> channel, v1::TailRequest request,
    const StreamOptions& options, TailEvents events) {
  return std::shared_ptr<TailCall>(new TailCall(
      std::move(channel), std::move(request), options, std::move(events)));
}

TailCall::TailCall(std::shared_ptr<grpc::Channel> channel,
                   v1::TailRequest request, const StreamOptions& options,
                   TailEvents events)
    : StreamCall(std::move(channel), options, /*connection_answers=*/true),
      request_(std::move(request)),
      events_(std::move(events)) {}

void TailCall::Call(grpc::ClientContext* context) {
  CallMethod("Tail", context, &request_);
}

void TailCall::OnAnswering() {
  if (events_.opened) events_.opened();
}

bool TailCall::OnMessage(v1::TailResponse& message) {
  switch (message.item_case()) {
    case v1::TailResponse::kData:
      events_.data(std::move(*message.mutable_data()));
      return false;
    case v1::TailResponse::kEvent:
      events_.event(message.event());
      return false;
    case v1::TailResponse::ITEM_NOT_SET:
      return true;  // of a newer contract
  }
  return true;
}

void TailCall::OnFinished(const absl::Status& status) {
  // The events may own who owns this call.
  const TailEvents events = std::exchange(events_, {});
  events.finished(status);
}

}  // namespace specula
