#include "clients/cpp/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/callback_threads.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/dial_target.h"
#include "lib/rpc/message_limits.h"
#include "lib/rpc/shared_key.h"
#include "lib/rpc/silent_address.h"
#include "lib/rpc/tls_policy.h"

namespace specula {
namespace {

// More often than the agent allows (5 s) and it would cut the connection.
constexpr int kKeepaliveMilliseconds = 10'000;
constexpr int kKeepaliveTimeoutMilliseconds = 5'000;
constexpr int kMaxReconnectBackoffMilliseconds = 10'000;

// Per method, as one answer may be much longer than the others.
std::string ServiceConfig() {
  return absl::StrCat(
      R"({"methodConfig":[{"name":[{}],"maxResponseMessageBytes":)",
      kMostAnswerBytes,
      R"(},{"name":[{"service":"specula.v1.Specula","method":"Processes"}],)",
      R"("maxResponseMessageBytes":)", kMostProcessesBytes, "}]}");
}

absl::Status CheckAgent(absl::string_view pem, const std::string& name,
                        const std::string& trust_domain) {
  ASSIGN_OR_RETURN(ServerCertificate server,
                   ParseServerCertificatePem(pem, name));
  ASSIGN_OR_RETURN(Identity identity, IdentityOf(server.certificate));
  if (identity.role != Role::kAgent || identity.trust_domain != trust_domain) {
    return absl::PermissionDeniedError(
        absl::StrCat("the server's certificate is ", IdentityUri(identity),
                     ", not that of an agent of ", trust_domain));
  }
  if (server.is_for_host) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the server's certificate is for agent '", identity.name,
                   "' and does not name '", name, "'"));
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint,
                                           const Credentials& credentials,
                                           int window_bytes) {
  using grpc::experimental::IdentityKeyCertPair;
  KeepCallbackThreads();
  auto provider =
      std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
          credentials.roots_pem,
          std::vector<IdentityKeyCertPair>{
              {ShareKey(credentials.key_pem), credentials.certificate_pem}});
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::move(provider));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // The name is checked by our verifier, against what was asked for and not
  // against what a resolver or a proxy made of it.
  options.set_check_call_host(false);
  options.set_certificate_verifier(MakePeerVerifier(
      [name = endpoint.certificate_name.empty() ? endpoint.address.host
                                                : endpoint.certificate_name,
       trust_domain = credentials.identity.trust_domain](
          absl::string_view, absl::string_view pem) {
        return CheckAgent(pem, name, trust_domain);
      }));

  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   kKeepaliveTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   kMaxReconnectBackoffMilliseconds);
  // A call is made once or not at all: nobody wants a command run twice.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // An operator's http_proxy is not meant for the fleet.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, window_bytes);
  arguments.SetMaxReceiveMessageSize(kMostProcessesBytes);
  static const std::string& service_config = *new std::string(ServiceConfig());
  arguments.SetServiceConfigJSON(service_config);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Nobody asks for the records that channelz would keep of each channel.
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
      DialTarget(endpoint.address), grpc::experimental::TlsCredentials(options),
      arguments);
  PassSilentAddresses(channel, endpoint.address);
  return channel;
}

}  // namespace specula
