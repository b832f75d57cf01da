#ifndef SPECULA_AGENT_FRONT_SERVER_H_
#define SPECULA_AGENT_FRONT_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/front/acceptor.h"
#include "agent/front/event_loop.h"
#include "lib/base/host_port.h"

namespace specula::agent {

// A gRPC server behind an acceptor of our own, with the standard health
// service. Every service of a gRPC server is served on each of its ports, so a
// port with less protection is a server of its own without services.
class Server {
 public:
  struct Options {
    HostPort listen;
    AcceptorLimits limits;
    // From accept to the end of the TLS handshake.
    absl::Duration handshake_timeout = absl::Seconds(10);
  };

  // Starts to serve. `service` may be null: then there is nothing but health.
  // Credentials, service and loop must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Options& options,
      std::shared_ptr<grpc::ServerCredentials> credentials,
      grpc::Service* service, EventLoop& loop);
  // Shutdown must have been called.
  ~Server();

  // Where it listens, with the real port.
  const HostPort& address() const { return acceptor_->address(); }

  // Accepts no more and tells so by health; calls that are open go on. Not on
  // the loop thread.
  void StopAccepting();

  // Waits for the open calls until `grace` is over, then cancels them. Not on
  // the loop thread.
  void Shutdown(absl::Duration grace);

 private:
  explicit Server(EventLoop& loop) : loop_(loop) {}

  EventLoop& loop_;
  grpc::CallbackGenericService nothing_;  // answers UNIMPLEMENTED to everything
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> hand_over_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_SERVER_H_
