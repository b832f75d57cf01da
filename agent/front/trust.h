#ifndef SPECULA_AGENT_FRONT_TRUST_H_
#define SPECULA_AGENT_FRONT_TRUST_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/denylist.h"
#include "lib/rpc/identity.h"

namespace specula::agent {

// By what the agent judges certificates at one moment. Immutable once made.
struct Trust {
  std::string
      trust_domain;  // the agent's own; identities of another are nobody
  Denylist denied;
  // The denylist on disk cannot be read. Whoever was revoked since is unknown,
  // so only methods that change nothing are allowed.
  bool denylist_unreadable = false;
};

// Who asks.
struct Caller {
  Identity identity;
  std::string serial;
  absl::Time not_after;
};

// Judges a certificate whose chain was verified: one identity of the own trust
// domain, clientAuth, within its time, not on the denylist. PERMISSION_DENIED
// says why not. Pure.
absl::StatusOr<Caller> JudgeCertificate(absl::string_view pem,
                                        const Trust& trust, absl::Time now);

// Whether a caller who was accepted before still is: a connection outlives its
// certificate. Pure.
absl::Status StillTrusted(const Caller& caller, const Trust& trust,
                          absl::Time now);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TRUST_H_
