#ifndef SPECULA_LIB_RPC_TLS_POLICY_H_
#define SPECULA_LIB_RPC_TLS_POLICY_H_

#include <grpcpp/security/tls_certificate_verifier.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace specula {

// Makes TLS 1.3 the only version, turns session tickets off and sends no other
// certificates than those of the certificate file, for every TLS connection of
// this process, in both directions, and removes from the environment what would
// change that (GRPC_*, OPENSSL_CONF, SSL_CERT_*).
//
// gRPC 1.51 has no setting for any of these, so OpenSSL is told: by its system
// default configuration, and as each SSL_CTX is made. Call it first in main:
// before any use of gRPC or OpenSSL and before a second thread. INTERNAL if it
// did not take effect, which it checks: do not go on then.
absl::Status EnforceTlsPolicy();

// Decides in the handshake whether a peer, whose certificate chain and time
// OpenSSL has accepted, is who it should be. `target` is the name that was
// dialled, `certificate_pem` the peer's leaf. Runs on
// gRPC's threads, several at a time; must not block.
using PeerCheck = std::function<absl::Status(
    absl::string_view target, absl::string_view certificate_pem)>;

// Wraps a check for gRPC's TLS credentials. It runs for resumed sessions as
// well.
std::shared_ptr<grpc::experimental::CertificateVerifier> MakePeerVerifier(
    PeerCheck check);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_TLS_POLICY_H_
