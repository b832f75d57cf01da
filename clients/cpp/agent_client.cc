#include "clients/cpp/agent_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "clients/cpp/answer.h"
#include "clients/cpp/call_status.h"
#include "lib/rpc/health.h"
#include "lib/rpc/on_behalf.h"

namespace specula {
namespace {

std::chrono::system_clock::time_point After(absl::Duration deadline) {
  return absl::ToChronoTime(absl::Now() + deadline);
}

// Everything that must live until a unary call is over.
template <typename Request, typename Response>
struct UnaryCall final : PendingCall {
  explicit UnaryCall(const std::shared_ptr<grpc::Channel>& owner)
      : channel(owner), stub(owner) {}
  void Cancel() override { context.TryCancel(); }
  grpc::ClientContext context;
  std::shared_ptr<grpc::Channel> channel;
  grpc::TemplatedGenericStub<Request, Answer<Response>> stub;
  Request request;
  Answer<Response> answer;
};

// What a unary call that gRPC calls OK has brought.
template <typename Response>
absl::StatusOr<Response> Read(Answer<Response>& answer) {
  switch (answer.state) {
    case Answer<Response>::State::kNone:
      return UnreadableAnswer("it is empty");
    case Answer<Response>::State::kRead:
      return std::move(answer.message);
    case Answer<Response>::State::kUnreadable:
      return UnreadableAnswer(NotA(answer.message));
  }
  return absl::InternalError("no such state of an answer");
}

template <typename Request, typename Response>
AgentClient::Call Begin(const std::shared_ptr<grpc::Channel>& channel,
                        const std::string& on_behalf, absl::string_view method,
                        const Request& request, absl::Duration deadline,
                        AgentClient::OnAnswer<Response> done) {
  auto call = std::make_shared<UnaryCall<Request, Response>>(channel);
  call->context.set_deadline(After(deadline));
  if (!on_behalf.empty()) call->context.AddMetadata(kOnBehalfKey, on_behalf);
  call->request = request;
  call->stub.UnaryCall(
      &call->context, MethodPath(method), grpc::StubOptions(), &call->request,
      &call->answer,
      [call, done = std::move(done)](grpc::Status status) mutable {
        absl::StatusOr<Response> answer =
            status.ok()
                ? Read(call->answer)
                : absl::StatusOr<Response>(CallStatus(status, *call->channel));
        // Before the answer: who has it may want the call gone.
        call.reset();
        done(std::move(answer));
      });
  return call;
}

struct HealthCall final : PendingCall {
  explicit HealthCall(const std::shared_ptr<grpc::Channel>& owner)
      : channel(owner), stub(owner) {}
  void Cancel() override { context.TryCancel(); }
  grpc::ClientContext context;
  std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
  grpc::ByteBuffer request = HealthCheckRequest();
  grpc::ByteBuffer response;
};

}  // namespace

AgentClient::AgentClient(std::shared_ptr<grpc::Channel> channel,
                         std::string on_behalf)
    : channel_(std::move(channel)), on_behalf_(std::move(on_behalf)) {}

AgentClient::Call AgentClient::Status(const v1::StatusRequest& request,
                                      absl::Duration deadline,
                                      OnAnswer<v1::StatusResponse> done) {
  return Begin(channel_, on_behalf_, "Status", request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Cpu(const v1::CpuRequest& request,
                                   absl::Duration deadline,
                                   OnAnswer<v1::CpuResponse> done) {
  return Begin(channel_, on_behalf_, "Cpu", request, deadline, std::move(done));
}

AgentClient::Call AgentClient::Mem(const v1::MemRequest& request,
                                   absl::Duration deadline,
                                   OnAnswer<v1::MemResponse> done) {
  return Begin(channel_, on_behalf_, "Mem", request, deadline, std::move(done));
}

AgentClient::Call AgentClient::Disk(const v1::DiskRequest& request,
                                    absl::Duration deadline,
                                    OnAnswer<v1::DiskResponse> done) {
  return Begin(channel_, on_behalf_, "Disk", request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Processes(const v1::ProcessesRequest& request,
                                         absl::Duration deadline,
                                         OnAnswer<v1::ProcessesResponse> done) {
  return Begin(channel_, on_behalf_, "Processes", request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Start(const v1::StartRequest& request,
                                     absl::Duration deadline,
                                     OnAnswer<v1::StartResponse> done) {
  return Begin(channel_, on_behalf_, "Start", request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Kill(const v1::KillRequest& request,
                                    absl::Duration deadline,
                                    OnAnswer<v1::KillResponse> done) {
  return Begin(channel_, on_behalf_, "Kill", request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::CheckHealth(
    absl::Duration deadline, std::function<void(absl::Status)> done) {
  auto call = std::make_shared<HealthCall>(channel_);
  call->context.set_deadline(After(deadline));
  call->stub.UnaryCall(
      &call->context, kHealthCheckPath, grpc::StubOptions(), &call->request,
      &call->response,
      [call, done = std::move(done)](grpc::Status status) mutable {
        absl::Status answer = CallStatus(status, *call->channel);
        if (status.ok() && !SaysServing(call->response)) {
          answer = absl::UnavailableError("the agent says it does not serve");
        }
        call.reset();
        done(answer);
      });
  return call;
}

}  // namespace specula
