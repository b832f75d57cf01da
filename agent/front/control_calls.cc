#include "agent/front/control_calls.h"

#include <grpcpp/server_context.h>

#include <memory>
#include <utility>

#include "agent/front/to_broker.h"
#include "lib/rpc/grpc_status.h"

namespace specula::agent {
namespace {

constexpr size_t kMostKeyBytes = 128;

// Callbacks are copied by std::function, and a CallAudit is one of a kind.
using SharedAudit = std::shared_ptr<CallAudit>;

// Whether the call goes on now that it is recorded; else it is ended. Who has
// called may have left while the record waited.
bool GoesOn(const absl::Status& recorded, grpc::CallbackServerContext* context,
            const SharedAudit& audit, grpc::ServerUnaryReactor* reactor) {
  absl::Status status = recorded;
  if (status.ok() && context->IsCancelled()) {
    status = absl::CancelledError("cancelled by the caller");
    audit->Ended(status, 0);
  }
  if (!status.ok()) reactor->Finish(ToGrpc(status));
  return status.ok();
}

}  // namespace

void RunStart(BrokerLink& broker, grpc::CallbackServerContext* context,
              const Caller& caller, CallAudit audit,
              const v1::StartRequest& request, v1::StartResponse* response,
              grpc::ServerUnaryReactor* reactor) {
  absl::StatusOr<broker::Spawn> spawn =
      ToSpawn(request.command(), IdentityUri(caller.identity));
  if (spawn.ok() && request.idempotency_key().size() > kMostKeyBytes) {
    spawn =
        absl::InvalidArgumentError("idempotency_key is longer than 128 bytes");
  }
  if (!spawn.ok()) {
    reactor->Finish(ToGrpc(spawn.status()));
    return;
  }
  spawn->set_start(true);
  spawn->clear_timeout_milliseconds();
  spawn->clear_output_limit_bytes();
  spawn->clear_merge_stderr();
  spawn->set_idempotency_key(request.idempotency_key());
  auto shared = std::make_shared<CallAudit>(std::move(audit));
  auto answer = [shared, response,
                 reactor](absl::StatusOr<BrokerClient::Spawned> spawned) {
    if (spawned.ok()) {
      const broker::Spawned& facts = spawned->facts;
      response->set_pid(facts.pid());
      response->set_start_ticks(facts.start_ticks());
      response->set_boot_id(facts.boot_id());
      response->set_log_path(facts.log_path());
      shared->SetPid(facts.pid(), facts.start_ticks());
      shared->SetLogPath(facts.log_path());
    }
    shared->Ended(spawned.status(), 0);
    reactor->Finish(ToGrpc(spawned.status()));
  };
  shared->Started(request.command(),
                  [&broker, &request, context, shared, reactor, answer,
                   spawn = *std::move(spawn)](const absl::Status& recorded) {
                    if (!GoesOn(recorded, context, shared, reactor)) return;
                    broker.With([&](BrokerClient& client) {
                      client.Spawn(spawn, request.command().stdin(), answer,
                                   {});
                    });
                  });
}

void RunKill(BrokerLink& broker, grpc::CallbackServerContext* context,
             CallAudit audit, const v1::KillRequest& request,
             v1::KillResponse* response, grpc::ServerUnaryReactor* reactor) {
  absl::StatusOr<broker::Kill> kill = ToKill(request);
  if (!kill.ok()) {
    reactor->Finish(ToGrpc(kill.status()));
    return;
  }
  auto shared = std::make_shared<CallAudit>(std::move(audit));
  auto answer = [shared, response, reactor](absl::StatusOr<int> signalled) {
    if (signalled.ok()) response->set_signalled_count(*signalled);
    shared->Ended(signalled.status(), 0);
    reactor->Finish(ToGrpc(signalled.status()));
  };
  shared->Started(
      request, [&broker, context, shared, reactor, answer,
                kill = *std::move(kill)](const absl::Status& recorded) {
        if (!GoesOn(recorded, context, shared, reactor)) return;
        broker.With([&](BrokerClient& client) { client.Kill(kill, answer); });
      });
}

}  // namespace specula::agent
