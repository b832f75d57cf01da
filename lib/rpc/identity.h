#ifndef SPECULA_LIB_RPC_IDENTITY_H_
#define SPECULA_LIB_RPC_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/rpc/certificate.h"

namespace specula {

// What a certificate entitles to. A shim acts for the holder of a token; an
// agent is asked and asks nobody but itself (health).
enum class Role { kViewer, kOperator, kAdmin, kShim, kAgent };

// Lower-case word of a role: "viewer".
absl::string_view RoleName(Role role);

// The role of a word; INVALID_ARGUMENT names the five.
absl::StatusOr<Role> ParseRole(absl::string_view name);

// Who someone is, from spiffe://<trust_domain>/specula/<role>/<name>.
struct Identity {
  std::string trust_domain;
  Role role = Role::kViewer;
  std::string name;
  bool operator==(const Identity&) const = default;
};

// The URI of an identity.
std::string IdentityUri(const Identity& identity);

// Reads such a URI. Strict, as it decides about power: lower case; trust domain
// of [a-z0-9.-], name of [a-z0-9._-], both 1 to 63 bytes (an agent's name,
// which is a host's, to 253) and starting with a letter or digit; no query,
// fragment, port or percent sign; no further segment. INVALID_ARGUMENT
// otherwise.
absl::StatusOr<Identity> ParseIdentityUri(absl::string_view uri);

// The identity of a certificate: that of its only URI SAN. PERMISSION_DENIED if
// it has none, several, or another kind of URI.
absl::StatusOr<Identity> IdentityOf(const Certificate& certificate);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_IDENTITY_H_
