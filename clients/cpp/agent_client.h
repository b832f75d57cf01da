#ifndef SPECULA_CLIENTS_CPP_AGENT_CLIENT_H_
#define SPECULA_CLIENTS_CPP_AGENT_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula {

// A call that was begun. Thread-safe.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  // Ends the call soon, with CANCELLED if it is not over.
  virtual void Cancel() = 0;
};

// Calls one agent. Every call has a deadline, does not wait for a connection
// that is refused, and answers through a callback that runs once, on a thread
// of gRPC, and must not block. An answer that cannot be read is no answer (see
// UnreadableAnswer). Thread-safe. The client may be destroyed while calls are
// out.
class AgentClient {
 public:
  // `on_behalf`: of a shim, for whom it calls; see lib/rpc/on_behalf.h.
  explicit AgentClient(std::shared_ptr<grpc::Channel> channel,
                       std::string on_behalf = "");

  template <typename Response>
  using OnAnswer = std::function<void(absl::StatusOr<Response>)>;
  using Call = std::shared_ptr<PendingCall>;

  Call Status(const v1::StatusRequest& request, absl::Duration deadline,
              OnAnswer<v1::StatusResponse> done);
  Call Cpu(const v1::CpuRequest& request, absl::Duration deadline,
           OnAnswer<v1::CpuResponse> done);
  Call Mem(const v1::MemRequest& request, absl::Duration deadline,
           OnAnswer<v1::MemResponse> done);
  Call Disk(const v1::DiskRequest& request, absl::Duration deadline,
            OnAnswer<v1::DiskResponse> done);
  Call Processes(const v1::ProcessesRequest& request, absl::Duration deadline,
                 OnAnswer<v1::ProcessesResponse> done);
  Call Start(const v1::StartRequest& request, absl::Duration deadline,
             OnAnswer<v1::StartResponse> done);
  Call Kill(const v1::KillRequest& request, absl::Duration deadline,
            OnAnswer<v1::KillResponse> done);

  // Asks grpc.health.v1 whether the agent serves: UNAVAILABLE if it says no.
  Call CheckHealth(absl::Duration deadline,
                   std::function<void(absl::Status)> done);

  // For the calls that stream; see ExecCall and TailCall.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::string on_behalf_;
};

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_AGENT_CLIENT_H_
