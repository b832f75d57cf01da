#ifndef SPECULA_AGENT_FRONT_SERVICE_H_
#define SPECULA_AGENT_FRONT_SERVICE_H_

#include "agent/front/event_loop.h"
#include "agent/front/gate.h"
#include "agent/front/stream_set.h"
#include "agent/front/tls_material.h"
#include "agent/front/watch_reactor.h"
#include "agent/metrics/sampler.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula::agent {

// The table of the RPCs: each method says where it runs and who does the work.
// Methods without a row here answer UNIMPLEMENTED, after the gate. Handlers run
// on gRPC's threads, as every hop to another costs more than most answers, and
// do not block: what may, the sampler gives to threads of its own.
class Service final : public v1::Specula::CallbackService {
 public:
  // All must outlive the service.
  Service(EventLoop& loop, Sampler& sampler, StreamSet& streams, Gate& gate,
          const TlsMaterial& material);

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
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context,
      const v1::WatchRequest* request) override;

 private:
  // Runs `answer` once `kinds` have a baseline: at once, or later on the loop.
  void WhenPrimed(unsigned kinds, std::function<void()> answer);
  void FillAgent(v1::Agent* agent) const;

  EventLoop& loop_;
  Sampler& sampler_;
  StreamSet& streams_;
  Gate& gate_;
  const TlsMaterial& material_;
  BaselineSet shared_{kSharedPolicy};  // of all unary calls
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_SERVICE_H_
