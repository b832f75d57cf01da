#ifndef SPECULA_CTL_PKI_AUTHORITY_H_
#define SPECULA_CTL_PKI_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

// Makes keys and certificates in memory with OpenSSL: P-256, SHA-256, random
// serials of 159 bits. No file is touched here.
namespace specula::ctl {

// A private key and a certificate, both PEM.
struct KeyPair {
  std::string key_pem;
  std::string certificate_pem;
};

// What a certificate shall say.
struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  bool server_auth = false;
  bool client_auth = false;
  absl::Time not_before;
  absl::Time not_after;
  std::string key_pem = {};  // the key to certify; empty: a new one
};

// A new self-signed authority for `trust_domain` (its URI SAN is
// spiffe://<trust_domain>); path length 0, may sign certificates and CRLs only.
// INVALID_ARGUMENT unless the trust domain is one of lib/rpc/identity.h.
absl::StatusOr<KeyPair> MakeAuthority(const std::string& trust_domain,
                                      absl::Time not_before,
                                      absl::Time not_after);

// A new key, or that of the request, and its certificate, signed by
// `authority`. INVALID_ARGUMENT if the request has a malformed name or address
// or ends before it begins, or if the authority does not parse, is none, or its
// key does not fit.
absl::StatusOr<KeyPair> Issue(const KeyPair& authority,
                              const CertificateRequest& request);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PKI_AUTHORITY_H_
