#include "agent/probe/probe.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/dial_target.h"
#include "lib/rpc/grpc_status.h"
#include "lib/rpc/health.h"
#include "lib/rpc/identity.h"
#include "lib/rpc/tls_policy.h"

namespace specula::agent {
namespace {

struct Material {
  std::string roots, certificate, key;
  Identity identity;
};

absl::StatusOr<Material> LoadMaterial(const ProbeOptions& options) {
  Material material;
  ASSIGN_OR_RETURN(material.roots, ReadFile(options.ca));
  ASSIGN_OR_RETURN(material.certificate, ReadFile(options.certificate));
  ASSIGN_OR_RETURN(material.key,
                   ReadSecretFileFor(options.reader, options.key));
  absl::Status status = CheckMaterial(material.roots, material.certificate,
                                      material.key, absl::Now());
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(material.certificate);
  if (status.ok()) status = certificate.status();
  if (status.ok()) {
    absl::StatusOr<Identity> identity = IdentityOf(*certificate);
    status = identity.status();
    if (identity.ok()) material.identity = *std::move(identity);
  }
  if (status.ok()) return material;
  return absl::Status(
      status.code(), absl::StrCat(options.certificate, ": ", status.message()));
}

absl::Status CheckIsSelf(absl::string_view pem, const Identity& self) {
  ASSIGN_OR_RETURN(const Certificate certificate, ParseCertificatePem(pem));
  ASSIGN_OR_RETURN(const Identity identity, IdentityOf(certificate));
  if (identity == self) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("another answers there: ", IdentityUri(identity), ", not ",
                   IdentityUri(self)));
}

// gRPC says of every refusal in the handshake that the socket was closed; what
// was found out about the other side is kept here.
class Verdict {
 public:
  absl::Status Keep(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    return status;
  }
  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<grpc::Channel> Dial(const HostPort& address,
                                    const Material& material,
                                    std::shared_ptr<Verdict> verdict) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
          material.roots, std::vector<grpc::experimental::IdentityKeyCertPair>{
                              {material.key, material.certificate}}));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      MakePeerVerifier([self = material.identity, verdict = std::move(verdict)](
                           absl::string_view, absl::string_view pem) {
        return verdict->Keep(CheckIsSelf(pem, self));
      }));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(DialTarget(address),
                                   grpc::experimental::TlsCredentials(options),
                                   arguments);
}

// One Check, waited for.
absl::Status AskHealth(const std::shared_ptr<grpc::Channel>& channel,
                       absl::Time deadline) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  auto call = stub.PrepareUnaryCall(&context, kHealthCheckPath,
                                    HealthCheckRequest(), &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  RETURN_IF_ERROR(FromGrpc(status));
  if (SaysServing(response)) return absl::OkStatus();
  return absl::UnavailableError("the agent says that it does not serve");
}

}  // namespace

absl::StatusOr<HostPort> ProbeAddress(const HostPort& listen) {
  if (listen.port == 0) {
    return absl::InvalidArgumentError(
        "the agent listens on a port of the kernel's choice; tell the probe "
        "which, by --listen ADDRESS:PORT");
  }
  HostPort address = listen;
  const std::string& host = listen.host;
  if (host == "::") {
    address.host = "::1";
  } else if (host.empty() || host == "*" || host == "0.0.0.0") {
    address.host = "127.0.0.1";
  }
  return address;
}

absl::Status Probe(const ProbeOptions& options) {
  const absl::Time deadline = absl::Now() + options.timeout;
  ASSIGN_OR_RETURN(const Material material, LoadMaterial(options));
  auto verdict = std::make_shared<Verdict>();
  const absl::Status status =
      AskHealth(Dial(options.address, material, verdict), deadline);
  // Why the other side was refused says more than that nothing was heard.
  if (!status.ok()) RETURN_IF_ERROR(verdict->status());
  return status;
}

}  // namespace specula::agent
