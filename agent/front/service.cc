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

template <typename Work>
grpc::ServerUnaryReactor* Service::Admit(grpc::CallbackServerContext* context,
                                         absl::string_view path, Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::StatusOr<PeerPtr> peer = context_.gate.Admit(
      path, context->peer(), OnBehalfIn(context->client_metadata()));
  if (peer.ok()) {
    work(reactor, *std::move(peer));
  } else {
    reactor->Finish(ToGrpc(peer.status()));
  }
  return reactor;
}

template <typename Response, typename Make>
grpc::ServerWriteReactor<Response>* Service::AdmitStream(
    grpc::CallbackServerContext* context, absl::string_view path, Make make) {
  absl::StatusOr<PeerPtr> peer = context_.gate.Admit(
      path, context->peer(), OnBehalfIn(context->client_metadata()));
  if (!peer.ok()) return new RefusedStream<Response>(peer.status());
  return make(*std::move(peer));
}

CallAudit Service::AuditOf(grpc::CallbackServerContext* context,
                           absl::string_view rpc, const Peer& peer) {
  return CallAudit(context_.audit, rpc, *peer.caller,
                   OnBehalfIn(context->client_metadata()), peer.address);
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
  return Admit(
      context, "/specula.v1.Specula/Status",
      [this, response](grpc::ServerUnaryReactor* reactor, const PeerPtr&) {
        WhenPrimed(kStatusCounters, [this, reactor, response] {
          context_.sampler.FillStatus(shared_, response,
                                      [this, reactor, response] {
                                        context_.about.Fill(response);
                                        reactor->Finish(grpc::Status::OK);
                                      });
        });
      });
}

grpc::ServerUnaryReactor* Service::Cpu(grpc::CallbackServerContext* context,
                                       const v1::CpuRequest*,
                                       v1::CpuResponse* response) {
  return Admit(
      context, "/specula.v1.Specula/Cpu",
      [this, response](grpc::ServerUnaryReactor* reactor, const PeerPtr&) {
        WhenPrimed(kCpuCounters, [this, reactor, response] {
          context_.sampler.FillCpu(shared_, response->mutable_cpu(), [reactor] {
            reactor->Finish(grpc::Status::OK);
          });
        });
      });
}

grpc::ServerUnaryReactor* Service::Mem(grpc::CallbackServerContext* context,
                                       const v1::MemRequest*,
                                       v1::MemResponse* response) {
  return Admit(
      context, "/specula.v1.Specula/Mem",
      [this, response](grpc::ServerUnaryReactor* reactor, const PeerPtr&) {
        context_.sampler.FillMemory(response->mutable_memory(), [reactor] {
          reactor->Finish(grpc::Status::OK);
        });
      });
}

grpc::ServerUnaryReactor* Service::Disk(grpc::CallbackServerContext* context,
                                        const v1::DiskRequest*,
                                        v1::DiskResponse* response) {
  return Admit(
      context, "/specula.v1.Specula/Disk",
      [this, response](grpc::ServerUnaryReactor* reactor, const PeerPtr&) {
        WhenPrimed(kDiskCounters, [this, reactor, response] {
          context_.sampler.FillDisk(
              shared_, response->mutable_disk(),
              [reactor] { reactor->Finish(grpc::Status::OK); });
        });
      });
}

grpc::ServerUnaryReactor* Service::Processes(
    grpc::CallbackServerContext* context, const v1::ProcessesRequest* request,
    v1::ProcessesResponse* response) {
  return Admit(
      context, "/specula.v1.Specula/Processes",
      [this, request, response](grpc::ServerUnaryReactor* reactor,
                                const PeerPtr&) {
        if (request->limit() < 0 || request->limit() > kMostProcesses) {
          reactor->Finish(
              grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                           "limit must be 0 (meaning 10) to 10000"));
          return;
        }
        const size_t limit = static_cast<size_t>(
            request->limit() == 0 ? kUsualProcesses : request->limit());
        // Shares of CPU need two looks at all processes; by memory one is
        // enough.
        const unsigned kinds = request->order() == v1::PROCESS_ORDER_MEMORY
                                   ? 0u
                                   : kProcessCounters;
        WhenPrimed(kinds, [this, reactor, response, limit,
                           order = request->order()] {
          context_.sampler.FillProcesses(shared_, order, limit, response,
                                         [reactor](const absl::Status& status) {
                                           reactor->Finish(ToGrpc(status));
                                         });
        });
      });
}

grpc::ServerUnaryReactor* Service::Start(grpc::CallbackServerContext* context,
                                         const v1::StartRequest* request,
                                         v1::StartResponse* response) {
  return Admit(context, "/specula.v1.Specula/Start",
               [this, context, request, response](
                   grpc::ServerUnaryReactor* reactor, const PeerPtr& peer) {
                 auto audit = std::make_shared<CallAudit>(
                     AuditOf(context, "Start", *peer));
                 context_.loop.Post([this, context, caller = peer->caller,
                                     audit, request, response, reactor] {
                   RunStart(context_.broker, context, *caller,
                            std::move(*audit), *request, response, reactor);
                 });
               });
}

grpc::ServerUnaryReactor* Service::Kill(grpc::CallbackServerContext* context,
                                        const v1::KillRequest* request,
                                        v1::KillResponse* response) {
  return Admit(
      context, "/specula.v1.Specula/Kill",
      [this, context, request, response](grpc::ServerUnaryReactor* reactor,
                                         const PeerPtr& peer) {
        auto audit =
            std::make_shared<CallAudit>(AuditOf(context, "Kill", *peer));
        context_.loop.Post([this, context, audit, request, response, reactor] {
          RunKill(context_.broker, context, std::move(*audit), *request,
                  response, reactor);
        });
      });
}

grpc::ServerWriteReactor<v1::ExecResponse>* Service::Exec(
    grpc::CallbackServerContext* context, const v1::ExecRequest* request) {
  return AdmitStream<v1::ExecResponse>(
      context, "/specula.v1.Specula/Exec", [&](const PeerPtr& peer) {
        const ExecReactor::Context exec{context_.loop, context_.broker,
                                        context_.streams};
        return new ExecReactor(exec, peer->caller,
                               AuditOf(context, "Exec", *peer), *request);
      });
}

grpc::ServerWriteReactor<v1::TailResponse>* Service::Tail(
    grpc::CallbackServerContext* context, const v1::TailRequest* request) {
  return AdmitStream<v1::TailResponse>(
      context, "/specula.v1.Specula/Tail", [&](const PeerPtr& peer) {
        const TailReactor::Context tail{context_.loop, context_.slow,
                                        context_.broker, context_.streams,
                                        context_.tails};
        return new TailReactor(tail, peer->caller,
                               AuditOf(context, "Tail", *peer), *request);
      });
}

grpc::ServerWriteReactor<v1::WatchResponse>* Service::Watch(
    grpc::CallbackServerContext* context, const v1::WatchRequest* request) {
  return AdmitStream<v1::WatchResponse>(
      context, "/specula.v1.Specula/Watch",
      [&](const PeerPtr& peer) -> grpc::ServerWriteReactor<v1::WatchResponse>* {
        absl::StatusOr<absl::Duration> interval = ValidateWatch(*request);
        if (!interval.ok())
          return new RefusedStream<v1::WatchResponse>(interval.status());
        const WatchReactor::Context watch{context_.loop, context_.sampler,
                                          context_.streams, context_.about};
        return new WatchReactor(watch, peer->caller, *request);
      });
}

}  // namespace specula::agent
