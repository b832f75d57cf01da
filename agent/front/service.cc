#include "agent/front/service.h"

#include <utility>

#include "agent/metrics/to_proto.h"
#include "lib/rpc/grpc_status.h"

namespace specula::agent {
namespace {

constexpr int kMostProcesses = 10000;
constexpr int kUsualProcesses = 10;

// A stream that ends before it has begun.
class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchResponse> {
 public:
  explicit RefusedWatch(const absl::Status& why) { Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }

 private:
  ~RefusedWatch() override = default;
};

}  // namespace

Service::Service(EventLoop& loop, Sampler& sampler, StreamSet& streams,
                 Gate& gate, const TlsMaterial& material)
    : loop_(loop),
      sampler_(sampler),
      streams_(streams),
      gate_(gate),
      material_(material) {}

void Service::WhenPrimed(unsigned kinds, std::function<void()> answer) {
  const absl::Duration wait = sampler_.Prime(kinds, shared_);
  if (wait > absl::ZeroDuration()) {
    loop_.After(wait, std::move(answer));
  } else {
    answer();
  }
}

void Service::FillAgent(v1::Agent* agent) const {
  const TlsMaterial::State state = material_.state();
  agent->set_version(SPECULA_VERSION);
  *agent->mutable_certificate_expire_time() = ToProto(state.expire_time);
  agent->set_certificate_generation(state.generation);
  agent->set_reload_error(state.error);
}

grpc::ServerUnaryReactor* Service::Status(grpc::CallbackServerContext* context,
                                          const v1::StatusRequest*,
                                          v1::StatusResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  WhenPrimed(kStatusCounters, [this, reactor, response] {
    sampler_.FillStatus(shared_, response, [this, reactor, response] {
      FillAgent(response->mutable_agent());
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
    sampler_.FillCpu(shared_, response->mutable_cpu());
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::Mem(grpc::CallbackServerContext* context,
                                       const v1::MemRequest*,
                                       v1::MemResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sampler_.FillMemory(response->mutable_memory());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* Service::Disk(grpc::CallbackServerContext* context,
                                        const v1::DiskRequest*,
                                        v1::DiskResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  WhenPrimed(kDiskCounters, [this, reactor, response] {
    sampler_.FillDisk(shared_, response->mutable_disk(),
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
    sampler_.FillProcesses(shared_, order, limit, response);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchResponse>* Service::Watch(
    grpc::CallbackServerContext* context, const v1::WatchRequest* request) {
  absl::StatusOr<absl::Duration> interval = ValidateWatch(*request);
  if (!interval.ok()) return new RefusedWatch(interval.status());
  // The gate has admitted the call already; here it tells who it was.
  auto caller =
      gate_.Admit("/specula.v1.Specula/Watch", *context->auth_context());
  if (!caller.ok()) return new RefusedWatch(caller.status());
  const WatchReactor::Context watch{
      loop_, sampler_, streams_,
      [this](v1::Agent* agent) { FillAgent(agent); }};
  return new WatchReactor(watch, *std::move(caller), *request);
}

}  // namespace specula::agent
