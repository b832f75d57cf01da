#ifndef SPECULA_AGENT_FRONT_SERVICE_H_
#define SPECULA_AGENT_FRONT_SERVICE_H_

#include "agent/front/about_agent.h"
#include "agent/front/audit_queue.h"
#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "agent/front/event_loop.h"
#include "agent/front/exec_reactor.h"
#include "agent/front/gate.h"
#include "agent/front/stream_set.h"
#include "agent/front/tail_hub.h"
#include "agent/front/tail_reactor.h"
#include "agent/front/watch_reactor.h"
#include "agent/metrics/sampler.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula::agent {

// The table of the RPCs: each method says where it runs and who does the work.
// Methods without a row here are denied: see Server::Unknown. Handlers run
// on gRPC's threads, as every hop to another costs more than most answers, and
// do not block: what may runs on the threads of SlowCalls.
class Service final : public v1::Specula::CallbackService {
 public:
  // What it works with; must outlive it.
  struct Context {
    EventLoop& loop;
    SlowCalls& slow;
    Sampler& sampler;
    StreamSet& streams;
    Gate& gate;
    BrokerLink& broker;
    TailHub& tails;
    AuditQueue& audit;
    const AboutAgent& about;
  };
  explicit Service(const Context& context);

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Cpu(grpc::CallbackServerContext* context,
                                const v1::CpuRequest* request,
                                v1::CpuResponse* response) override;
  grpc::ServerUnaryReactor* Mem(grpc::CallbackServerContext* context,
                                const v1::MemRequest* request,
                                v1::MemResponse* response) override;
  grpc::ServerUnaryReactor* Disk(grpc::CallbackServerContext* context,
                                 const v1::DiskRequest* request,
                                 v1::DiskResponse* response) override;
  grpc::ServerUnaryReactor* Processes(grpc::CallbackServerContext* context,
                                      const v1::ProcessesRequest* request,
                                      v1::ProcessesResponse* response) override;
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                  const v1::StartRequest* request,
                                  v1::StartResponse* response) override;
  grpc::ServerUnaryReactor* Kill(grpc::CallbackServerContext* context,
                                 const v1::KillRequest* request,
                                 v1::KillResponse* response) override;
  grpc::ServerWriteReactor<v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context,
      const v1::ExecRequest* request) override;
  grpc::ServerWriteReactor<v1::TailResponse>* Tail(
      grpc::CallbackServerContext* context,
      const v1::TailRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context,
      const v1::WatchRequest* request) override;

 private:
  // Runs `answer` once `kinds` have a baseline: at once, or later on another
  // thread.
  void WhenPrimed(unsigned kinds, std::function<void()> answer);

  using PeerPtr = std::shared_ptr<const Peer>;

  // Every handler begins with one of these two: they ask the gate for `path`,
  // and do the work (void(reactor, peer), or a reactor that is made of a peer)
  // only for whom it lets in.
  template <typename Work>
  grpc::ServerUnaryReactor* Admit(grpc::CallbackServerContext* context,
                                  absl::string_view path, Work work);
  template <typename Response, typename Make>
  grpc::ServerWriteReactor<Response>* AdmitStream(
      grpc::CallbackServerContext* context, absl::string_view path, Make make);

  CallAudit AuditOf(grpc::CallbackServerContext* context, absl::string_view rpc,
                    const Peer& peer);

  const Context context_;
  BaselineSet shared_{kSharedPolicy};  // of all unary calls
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_SERVICE_H_
