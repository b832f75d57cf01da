#include "ctl/bootstrap/proof.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <vector>

#include "clients/cpp/call_status.h"
#include "lib/rpc/certificate.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula::ctl {

Proof AskForProof(const Endpoint& endpoint, const Credentials& credentials,
                  absl::Duration limit) {
  const std::shared_ptr<grpc::Channel> channel =
      MakeChannel(endpoint, credentials);
  std::unique_ptr<v1::Specula::Stub> stub = v1::Specula::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(limit));
  v1::StatusResponse response;
  const grpc::Status status = stub->Status(&context, {}, &response);
  Proof proof;
  proof.ending = ClassifyEnding(CallStatus(status, *channel), endpoint);
  if (!status.ok()) return proof;
  proof.version = response.agent().version();
  proof.reload_error = response.agent().reload_error();
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr) return proof;
  for (const grpc::string_ref& pem :
       peer->FindPropertyValues("x509_pem_cert")) {
    absl::StatusOr<Certificate> certificate =
        ParseCertificatePem({pem.data(), pem.size()});
    if (certificate.ok()) proof.serial = certificate->serial;
  }
  return proof;
}

}  // namespace specula::ctl
