#include "agent/front/service.h"

#include <utility>

#include "agent/front/control_calls.h"
#include "lib/rpc/grpc_status.h"
#include "lib/rpc/on_behalf.h"

namespace specula::agent {
namespace {

constexpr int kMostProcesses = 10000;
constexpr int kUsualProcesses = 10;

// A stream that ends before it has begun.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }

 private:
  ~RefusedStream() override = default;
};

}  // namespace

Service::Service(const Context& context) : context_(context) {}

absl::StatusOr<std::shared_ptr<const Caller>> Service::CallerOf(
    grpc::CallbackServerContext* context, absl::string_view path) {
  return context_.gate.Admit(path, *context->auth_context(),
                             OnBehalfIn(context->client_metadata()));
}

CallAudit Service::AuditOf(grpc::CallbackServerContext* context,
                           absl::string_view rpc, const Caller& caller) {
  return CallAudit(context_.audit, rpc, caller,
                   OnBehalfIn(context->client_metadata()), context->peer());
}

void Service::WhenPrimed(unsigned kinds, std::function<void()> answer) {
  context_.sampler.Prime(
      kinds, shared_,
      [this, answer = std::move(answer)](absl::Duration wait) mutable {
        if (wait > absl::ZeroDuration()) {
          context_.loop.After(wait, std::move(answer));
        } else {
          answer();
        }
      });
}

grpc::ServerUnaryReactor* Service::Status(grpc::CallbackServerContext* context,
                                          const v1::StatusRequest*,
                                          v1::StatusResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  WhenPrimed(kStatusCounters, [this, reactor, response] {
    context_.sampler.FillStatus(shared_, response, [this, reactor, response] {
      context_.about.Fill(response);
      reactor->Finish(grpc::Status::OK);
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Cpu(grpc::CallbackServerContext* context,
                                       const v1::CpuRequest*,
                                       v1::CpuResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  WhenPrimed(kCpuCounters, [this, reactor, response] {
    context_.sampler.FillCpu(shared_, response->mutable_cpu(),
                             [reactor] { reactor->Finish(grpc::Status::OK); });
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Mem(grpc::CallbackServerContext* context,
                                       const v1::MemRequest*,
                                       v1::MemResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  context_.sampler.FillMemory(response->mutable_memory(),
                              [reactor] { reactor->Finish(grpc::Status::OK); });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Disk(grpc::CallbackServerContext* context,
                                        const v1::DiskRequest*,
                                        v1::DiskResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  WhenPrimed(kDiskCounters, [this, reactor, response] {
    context_.sampler.FillDisk(shared_, response->mutable_disk(),
                              [reactor] { reactor->Finish(grpc::Status::OK); });
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Processes(
    grpc::CallbackServerContext* context, const v1::ProcessesRequest* request,
    v1::ProcessesResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->limit() < 0 || request->limit() > kMostProcesses) {
    reactor->Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                 "limit must be 0 (meaning 10) to 10000"));
    return reactor;
  }
  const size_t limit = static_cast<size_t>(
      request->limit() == 0 ? kUsualProcesses : request->limit());
  // Shares of CPU need two looks at all processes; by memory one is enough.
  const unsigned kinds =
      request->order() == v1::PROCESS_ORDER_MEMORY ? 0u : kProcessCounters;
  WhenPrimed(kinds, [this, reactor, response, limit, order = request->order()] {
    context_.sampler.FillProcesses(shared_, order, limit, response,
                                   [reactor](const absl::Status& status) {
                                     reactor->Finish(ToGrpc(status));
                                   });
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Start(grpc::CallbackServerContext* context,
                                         const v1::StartRequest* request,
                                         v1::StartResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto caller = CallerOf(context, "/specula.v1.Specula/Start");
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  auto audit = std::make_shared<CallAudit>(AuditOf(context, "Start", **caller));
  context_.loop.Post(
      [this, context, caller = *caller, audit, request, response, reactor] {
        RunStart(context_.broker, context, *caller, std::move(*audit), *request,
                 response, reactor);
      });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Kill(grpc::CallbackServerContext* context,
                                        const v1::KillRequest* request,
                                        v1::KillResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto caller = CallerOf(context, "/specula.v1.Specula/Kill");
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  auto audit = std::make_shared<CallAudit>(AuditOf(context, "Kill", **caller));
  context_.loop.Post([this, context, audit, request, response, reactor] {
    RunKill(context_.broker, context, std::move(*audit), *request, response,
            reactor);
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::ExecResponse>* Service::Exec(
    grpc::CallbackServerContext* context, const v1::ExecRequest* request) {
  auto caller = CallerOf(context, "/specula.v1.Specula/Exec");
  if (!caller.ok()) return new RefusedStream<v1::ExecResponse>(caller.status());
  CallAudit audit = AuditOf(context, "Exec", **caller);
  const ExecReactor::Context exec{context_.loop, context_.broker,
                                  context_.streams};
  return new ExecReactor(exec, *std::move(caller), std::move(audit), *request);
}

grpc::ServerWriteReactor<v1::TailResponse>* Service::Tail(
    grpc::CallbackServerContext* context, const v1::TailRequest* request) {
  auto caller = CallerOf(context, "/specula.v1.Specula/Tail");
  if (!caller.ok()) return new RefusedStream<v1::TailResponse>(caller.status());
  CallAudit audit = AuditOf(context, "Tail", **caller);
  const TailReactor::Context tail{context_.loop, context_.slow, context_.broker,
                                  context_.streams, context_.tails};
  return new TailReactor(tail, *std::move(caller), std::move(audit), *request);
}

grpc::ServerWriteReactor<v1::WatchResponse>* Service::Watch(
    grpc::CallbackServerContext* context, const v1::WatchRequest* request) {
  absl::StatusOr<absl::Duration> interval = ValidateWatch(*request);
  if (!interval.ok())
    return new RefusedStream<v1::WatchResponse>(interval.status());
  auto caller = CallerOf(context, "/specula.v1.Specula/Watch");
  if (!caller.ok())
    return new RefusedStream<v1::WatchResponse>(caller.status());
  const WatchReactor::Context watch{context_.loop, context_.sampler,
                                    context_.streams, context_.about};
  return new WatchReactor(watch, *std::move(caller), *request);
}

}  // namespace specula::agent
