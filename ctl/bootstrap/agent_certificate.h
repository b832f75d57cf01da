#ifndef SPECULA_CTL_BOOTSTRAP_AGENT_CERTIFICATE_H_
#define SPECULA_CTL_BOOTSTRAP_AGENT_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace specula::ctl {

struct CertificateWish {
  std::string name;               // in the identity
  std::vector<std::string> sans;  // all that it must be for
  absl::Duration within;          // one that ends sooner is reissued
  int days = 397;
  absl::Time now;
};

// A certificate as an agent is to have it; holds the private key.
struct AgentCertificate {
  std::string certificate_pem;
  std::string key_pem;
  std::string serial;
  bool is_new = false;  // it was issued just now, or would be
};

// The certificate of `wish.name` in the directory of ctl/pki/store.h: the one
// that is there if it is an agent's, good, not revoked, lasts, and is for all
// the names; else a new one, for what the old one was for too. With `dry_run`
// nothing is issued, and the texts are empty in the place of a new one. Errors
// carry the path; FAILED_PRECONDITION if the name is somebody else's. May be
// called for several names at a time.
absl::StatusOr<AgentCertificate> CertificateFor(const std::string& dir,
                                                const CertificateWish& wish,
                                                bool dry_run);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_AGENT_CERTIFICATE_H_
