#ifndef SPECULA_AGENT_BORDER_TRUST_H_
#define SPECULA_AGENT_BORDER_TRUST_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
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
      trust_domain;  // the agent's own; identities of another are refused
  // The authorities, by Certificate::sha256.
  absl::flat_hash_set<std::string> authorities;
  Denylist denied;
  // The denylist on disk cannot be read. Who was revoked since is unknown,
  // so only methods that change nothing are allowed.
  bool denylist_unreadable = false;
};

// Who asks.
struct Caller {
  Identity identity;
  std::string serial;
  // The first moment at which a certificate of the chain has expired.
  absl::Time not_after;
  // Of the certificates between this one and the authority, and its own.
  std::vector<std::string> issuer_serials;
  std::string authority;  // Certificate::sha256 of the root
};

// Judges a certificate chain whose signatures were verified: the leaf, then its
// issuers up to the authority. The leaf has one identity of the own trust
// domain and clientAuth; all are within their time, none is on the denylist,
// and the last is an authority of `trust`. PERMISSION_DENIED says why not; also
// if `chain` has fewer than two certificates. Pure.
absl::StatusOr<Caller> JudgeChain(const std::vector<Certificate>& chain,
                                  const Trust& trust, absl::Time now);

// Whether a caller who was accepted before still is, with the whole chain: a
// connection outlives its certificates. Pure.
absl::Status StillTrusted(const Caller& caller, const Trust& trust,
                          absl::Time now);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_TRUST_H_
