#include "clients/cpp/exec_call.h"

#include <utility>

namespace specula {

std::shared_ptr<ExecCall> ExecCall::Create(
    std::shared_ptr<grpc::Channel> channel, v1::ExecRequest request,
    const StreamOptions& options, ExecEvents events) {
  return std::shared_ptr<ExecCall>(new ExecCall(
      std::move(channel), std::move(request), options, std::move(events)));
}

ExecCall::ExecCall(std::shared_ptr<grpc::Channel> channel,
                   v1::ExecRequest request, const StreamOptions& options,
                   ExecEvents events)
    : StreamCall(std::move(channel), options, /*connection_answers=*/false),
      request_(std::move(request)),
      events_(std::move(events)) {}

void ExecCall::Call(grpc::ClientContext* context) {
  CallMethod("Exec", context, &request_);
}

bool ExecCall::OnMessage(v1::ExecResponse& message) {
  switch (message.event_case()) {
    case v1::ExecResponse::kStarted:
      events_.started(message.started());
      return true;
    case v1::ExecResponse::kStdout:
      events_.output(std::move(*message.mutable_stdout()));
      return false;
    case v1::ExecResponse::kStderr:
      events_.error_output(std::move(*message.mutable_stderr()));
      return false;
    case v1::ExecResponse::kExited:
      events_.exited(message.exited());
      return true;
    case v1::ExecResponse::EVENT_NOT_SET:
      return true;  // of a newer contract
  }
  return true;
}

void ExecCall::OnFinished(const absl::Status& status) {
  // The events may own who owns this call.
  const ExecEvents events = std::exchange(events_, {});
  events.finished(status);
}

}  // namespace specula
