#include "agent/front/server.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/rpc/grpc_status.h"
#include "lib/rpc/message_limits.h"

namespace specula::agent {
namespace {

constexpr int kMostMetadataBytes = 8 << 10;

// A caller that has gone without a word is found out in half a minute; while
// output is on its way to it, by the socket (see socket.cc).
constexpr absl::Duration kKeepalive = absl::Seconds(20);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);
constexpr absl::Duration kLeastPingInterval = absl::Seconds(5);

// After this a connection takes no new calls; callers make another one. Those
// that are open may go on as long again.
constexpr absl::Duration kGreatestAge = absl::Hours(12);

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void SetLimits(const Server::Options& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMostRequestBytes);
  // A small compressed message could become a large one.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMostMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.frames.open_streams / 2));
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(options.handshake_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Milliseconds(kKeepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(kLeastPingInterval));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             Milliseconds(kGreatestAge));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             Milliseconds(kGreatestAge));
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
}

}  // namespace

grpc::ServerGenericBidiReactor* Server::Rest::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  class Refusal final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Refusal(const absl::Status& why) { Finish(ToGrpc(why)); }
    void OnDone() override { delete this; }
  };
  return new Refusal(unknown_ == nullptr
                         ? absl::UnimplementedError("there is only health here")
                         : unknown_(*context, context->method()));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options,
                                                      Acceptor::Tls tls,
                                                      grpc::Service* service,
                                                      Unknown unknown,
                                                      Relay& relay) {
  std::unique_ptr<Server> server(new Server(std::move(unknown)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(options, builder);
  if (service != nullptr) builder.RegisterService(service);
  builder.RegisterCallbackGenericService(&server->rest_);
  server->hand_over_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  // The port is taken first: if it is in use, nothing else is begun.
  ASSIGN_OR_RETURN(
      server->acceptor_,
      Acceptor::Listen(options, std::move(tls), relay,
                       [hand_over = server->hand_over_.get()](UniqueFd socket) {
                         grpc::experimental::ExternalConnectionAcceptor::
                             NewConnectionParameters connection;
                         connection.fd = socket.Release();
                         hand_over->HandleNewConnection(&connection);
                       }));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr)
    return absl::InternalError("gRPC could not start a server");
  server->acceptor_->Start();
  return server;
}

Server::~Server() = default;

void Server::StopAccepting() {
  server_->GetHealthCheckService()->SetServingStatus(false);
  acceptor_->Stop();
}

void Server::Shutdown(absl::Duration grace) {
  server_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace specula::agent
