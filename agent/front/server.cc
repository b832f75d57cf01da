#include "agent/front/server.h"

#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <future>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/rpc/message_limits.h"

namespace specula::agent {
namespace {

constexpr int kMostMetadataBytes = 8 << 10;
constexpr int kMostStreamsPerConnection = 128;

// A caller that has gone without a word is found out in half a minute; while
// output is on its way to it, by the socket (see socket.cc).
constexpr absl::Duration kKeepalive = absl::Seconds(20);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);
constexpr absl::Duration kLeastPingInterval = absl::Seconds(5);

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
                             kMostStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(options.handshake_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Milliseconds(kKeepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(kLeastPingInterval));
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Options& options,
    std::shared_ptr<grpc::ServerCredentials> credentials,
    grpc::Service* service, EventLoop& loop) {
  std::unique_ptr<Server> server(new Server(loop));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(options, builder);
  if (service != nullptr) {
    builder.RegisterService(service);
  } else {
    // Without any service gRPC would poll none of its queues.
    builder.RegisterCallbackGenericService(&server->nothing_);
  }
  server->hand_over_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
  // The port is taken first: if it is in use, nothing else is begun.
  ASSIGN_OR_RETURN(
      server->acceptor_,
      Acceptor::Listen(options.listen, options.limits, loop,
                       [hand_over = server->hand_over_.get()](UniqueFd socket) {
                         grpc::experimental::ExternalConnectionAcceptor::
                             NewConnectionParameters connection;
                         connection.fd = socket.Release();
                         hand_over->HandleNewConnection(&connection);
                       }));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr)
    return absl::InternalError("gRPC could not start a server");
  loop.Post([acceptor = server->acceptor_.get()] { acceptor->Start(); });
  return server;
}

Server::~Server() = default;

void Server::StopAccepting() {
  server_->GetHealthCheckService()->SetServingStatus(false);
  std::promise<void> stopped;
  loop_.Post([&] {
    acceptor_->Stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

void Server::Shutdown(absl::Duration grace) {
  server_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace specula::agent
