#include "clients/cpp/agent_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/time/clock.h"
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
  void Cancel() override { context.TryCancel(); }
  grpc::ClientContext context;
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<v1::Specula::Stub> stub;
  Request request;
  Response response;
};

using Async = v1::Specula::StubInterface::async_interface;

template <typename Request, typename Response>
AgentClient::Call Begin(
    const std::shared_ptr<grpc::Channel>& channel,
    const std::shared_ptr<v1::Specula::Stub>& stub,
    const std::string& on_behalf,
    void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                          std::function<void(grpc::Status)>),
    const Request& request, absl::Duration deadline,
    AgentClient::OnAnswer<Response> done) {
  auto call = std::make_shared<UnaryCall<Request, Response>>();
  call->context.set_deadline(After(deadline));
  call->channel = channel;
  if (!on_behalf.empty()) call->context.AddMetadata(kOnBehalfKey, on_behalf);
  call->stub = stub;
  call->request = request;
  Async* async = stub->async();
  (async->*method)(&call->context, &call->request, &call->response,
                   [call, done = std::move(done)](grpc::Status status) mutable {
                     using Answer = absl::StatusOr<Response>;
                     Answer answer =
                         status.ok()
                             ? Answer(std::move(call->response))
                             : Answer(CallStatus(status, *call->channel));
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
    : channel_(std::move(channel)),
      on_behalf_(std::move(on_behalf)),
      stub_(v1::Specula::NewStub(channel_)) {}

AgentClient::Call AgentClient::Status(const v1::StatusRequest& request,
                                      absl::Duration deadline,
                                      OnAnswer<v1::StatusResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Status, request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Cpu(const v1::CpuRequest& request,
                                   absl::Duration deadline,
                                   OnAnswer<v1::CpuResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Cpu, request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Mem(const v1::MemRequest& request,
                                   absl::Duration deadline,
                                   OnAnswer<v1::MemResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Mem, request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Disk(const v1::DiskRequest& request,
                                    absl::Duration deadline,
                                    OnAnswer<v1::DiskResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Disk, request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Processes(const v1::ProcessesRequest& request,
                                         absl::Duration deadline,
                                         OnAnswer<v1::ProcessesResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Processes, request,
               deadline, std::move(done));
}

AgentClient::Call AgentClient::Start(const v1::StartRequest& request,
                                     absl::Duration deadline,
                                     OnAnswer<v1::StartResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Start, request, deadline,
               std::move(done));
}

AgentClient::Call AgentClient::Kill(const v1::KillRequest& request,
                                    absl::Duration deadline,
                                    OnAnswer<v1::KillResponse> done) {
  return Begin(channel_, stub_, on_behalf_, &Async::Kill, request, deadline,
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
