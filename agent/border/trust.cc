#include "agent/border/trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

absl::Status Denied(absl::string_view whose, absl::string_view serial) {
  return absl::PermissionDeniedError(absl::StrCat(
      "the certificate", whose, " was revoked (serial ", serial, ")"));
}

}  // namespace

absl::StatusOr<Caller> JudgeChain(const std::vector<Certificate>& chain,
                                  const Trust& trust, absl::Time now) {
  if (chain.size() < 2) {
    return absl::PermissionDeniedError(
        "the certificate is that of an authority itself");
  }
  const Certificate& leaf = chain.front();
  if (!leaf.client_auth) {
    return absl::PermissionDeniedError(
        "the certificate is not for clients (extendedKeyUsage lacks "
        "clientAuth)");
  }
  ASSIGN_OR_RETURN(Identity identity, IdentityOf(leaf));
  if (identity.trust_domain != trust.trust_domain) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the certificate is of the trust domain '", identity.trust_domain,
        "', this agent of '", trust.trust_domain, "'"));
  }
  Caller caller{std::move(identity), leaf.serial, leaf.not_after, {}, ""};
  for (const Certificate& certificate : chain) {
    if (now < certificate.not_before) {
      return absl::PermissionDeniedError("the certificate is not valid yet");
    }
    caller.not_after = std::min(caller.not_after, certificate.not_after);
    if (&certificate != &leaf)
      caller.issuer_serials.push_back(certificate.serial);
  }
  caller.authority = chain.back().sha256;
  RETURN_IF_ERROR(StillTrusted(caller, trust, now));
  return caller;
}

absl::Status StillTrusted(const Caller& caller, const Trust& trust,
                          absl::Time now) {
  if (trust.denied.contains(caller.serial)) return Denied("", caller.serial);
  for (const std::string& serial : caller.issuer_serials) {
    if (trust.denied.contains(serial)) return Denied("'s issuer", serial);
  }
  if (!trust.authorities.contains(caller.authority)) {
    return absl::PermissionDeniedError(
        "the certificate's authority is not trusted any more");
  }
  if (now > caller.not_after) {
    return absl::PermissionDeniedError(
        absl::StrCat("the certificate expired on ",
                     absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", caller.not_after,
                                      absl::UTCTimeZone())));
  }
  return absl::OkStatus();
}

}  // namespace specula::agent
