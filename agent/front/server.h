#ifndef SPECULA_AGENT_FRONT_SERVER_H_
#define SPECULA_AGENT_FRONT_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/border/acceptor.h"
#include "agent/border/relay.h"
#include "lib/base/host_port.h"

namespace specula::agent {

// A gRPC server behind an acceptor and the relay, with the standard health
// service. Every service of a gRPC server is served on each of its ports, so a
// port with less protection is a server of its own without services. gRPC
// itself sees no network and no TLS: who calls is known by the name of the
// connection, see Peers.
class Server {
 public:
  using Options = Acceptor::Options;

  // What answers to methods without a handler. Called on gRPC's threads.
  using Unknown = std::function<absl::Status(
      grpc::CallbackServerContext& context, absl::string_view path)>;

  // Starts to serve. `service` may be null: then there is nothing but health.
  // `unknown` may be empty: UNIMPLEMENTED. Service, relay and loop must outlive
  // the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options,
                                                       Acceptor::Tls tls,
                                                       grpc::Service* service,
                                                       Unknown unknown,
                                                       Relay& relay);
  // Shutdown must have been called.
  ~Server();

  // Where it listens, with the real port.
  const HostPort& address() const { return acceptor_->address(); }

  // Accepts no more and tells so by health; calls that are open go on.
  void StopAccepting();

  // Waits for the open calls until `grace` is over, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  // Answers to all that has no handler.
  class Rest final : public grpc::CallbackGenericService {
   public:
    explicit Rest(Unknown unknown) : unknown_(std::move(unknown)) {}
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override;

   private:
    const Unknown unknown_;
  };

  explicit Server(Unknown unknown) : rest_(std::move(unknown)) {}

  Rest rest_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> hand_over_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_SERVER_H_
