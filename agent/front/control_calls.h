#ifndef SPECULA_AGENT_FRONT_CONTROL_CALLS_H_
#define SPECULA_AGENT_FRONT_CONTROL_CALLS_H_

#include <grpcpp/support/server_callback.h>

#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "specula/v1/specula.pb.h"

// The unary calls that change something: recorded, given to the broker,
// answered when it has answered. Loop thread only; `context`, `request`,
// `response` and `reactor` live until it is finished.
namespace specula::agent {

void RunStart(BrokerLink& broker, grpc::CallbackServerContext* context,
              const Caller& caller, CallAudit audit,
              const v1::StartRequest& request, v1::StartResponse* response,
              grpc::ServerUnaryReactor* reactor);

void RunKill(BrokerLink& broker, grpc::CallbackServerContext* context,
             CallAudit audit, const v1::KillRequest& request,
             v1::KillResponse* response, grpc::ServerUnaryReactor* reactor);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_CONTROL_CALLS_H_
