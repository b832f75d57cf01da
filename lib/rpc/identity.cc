#include "lib/rpc/identity.h"

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"

namespace specula {
namespace {

constexpr size_t kMaxUriBytes = 2048;  // as SPIFFE has it
constexpr size_t kMaxPartBytes = 63;
constexpr Role kRoles[] = {Role::kViewer, Role::kOperator, Role::kAdmin,
                           Role::kShim, Role::kAgent};

// Whether `part` has 1 to `most` bytes of a-z, 0-9 and `marks`, and does not
// begin with one of the marks, so that ".", ".." and "-f" are no names.
bool IsPart(absl::string_view part, absl::string_view marks, size_t most) {
  if (part.empty() || part.size() > most) return false;
  if (absl::StrContains(marks, part.front())) return false;
  for (char c : part) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && !absl::StrContains(marks, c)) return false;
  }
  return true;
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kAdmin:
      return "admin";
    case Role::kShim:
      return "shim";
    case Role::kAgent:
      return "agent";
  }
  return "unknown";
}

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  for (Role role : kRoles) {
    if (name == RoleName(role)) return role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("role \"", EscapeControls(name.substr(0, kMaxPartBytes)),
                   "\" is not one of viewer, operator, admin, shim, agent"));
}

std::string IdentityUri(const Identity& identity) {
  return absl::StrCat("spiffe://", identity.trust_domain, "/specula/",
                      RoleName(identity.role), "/", identity.name);
}

absl::StatusOr<Identity> ParseIdentityUri(absl::string_view uri) {
  if (uri.size() > kMaxUriBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "URI of ", uri.size(), " bytes; at most ", kMaxUriBytes, " are read"));
  }
  auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("URI \"", EscapeControls(uri), "\": ", why));
  };
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "spiffe://")) {
    return bad("does not begin with spiffe://");
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/');
  if (parts.size() != 4 || parts[1] != "specula") {
    return bad("is not spiffe://<trust domain>/specula/<role>/<name>");
  }
  if (!IsPart(parts[0], ".-", kMaxPartBytes)) {
    return bad(
        "the trust domain must be 1 to 63 of a-z 0-9 . - and begin with a "
        "letter or digit");
  }
  ASSIGN_OR_RETURN(Role role, ParseRole(parts[2]));
  const size_t most = role == Role::kAgent ? kMostHostNameBytes : kMaxPartBytes;
  if (!IsPart(parts[3], "._-", most)) {
    return bad(absl::StrCat("the name must be 1 to ", most,
                            " of a-z 0-9 . _ - and begin with a letter or "
                            "digit"));
  }
  return Identity{std::string(parts[0]), role, std::string(parts[3])};
}

absl::StatusOr<Identity> IdentityOf(const Certificate& certificate) {
  if (certificate.uris.empty()) {
    return absl::PermissionDeniedError(
        "certificate has no identity: no URI among its names");
  }
  // With two, the one that is checked need not be the one that is used.
  if (certificate.uris.size() > 1) {
    return absl::PermissionDeniedError(
        absl::StrCat("certificate has no identity: ", certificate.uris.size(),
                     " URIs among its names, must be one"));
  }
  absl::StatusOr<Identity> identity =
      ParseIdentityUri(certificate.uris.front());
  if (!identity.ok()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "certificate has no identity: ", identity.status().message()));
  }
  return identity;
}

}  // namespace specula
