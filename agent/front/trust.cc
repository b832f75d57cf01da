#include "agent/front/trust.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::agent {

absl::StatusOr<Caller> JudgeCertificate(absl::string_view pem,
                                        const Trust& trust, absl::Time now) {
  absl::StatusOr<Certificate> certificate = ParseCertificatePem(pem);
  if (!certificate.ok()) {
    return absl::PermissionDeniedError(certificate.status().message());
  }
  if (!certificate->client_auth) {
    return absl::PermissionDeniedError(
        "the certificate is not for clients (extendedKeyUsage lacks "
        "clientAuth)");
  }
  ASSIGN_OR_RETURN(Identity identity, IdentityOf(*certificate));
  if (identity.trust_domain != trust.trust_domain) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the certificate is of the trust domain '", identity.trust_domain,
        "', this agent of '", trust.trust_domain, "'"));
  }
  if (now < certificate->not_before) {
    return absl::PermissionDeniedError("the certificate is not valid yet");
  }
  Caller caller{std::move(identity), certificate->serial,
                certificate->not_after};
  RETURN_IF_ERROR(StillTrusted(caller, trust, now));
  return caller;
}

absl::Status StillTrusted(const Caller& caller, const Trust& trust,
                          absl::Time now) {
  if (trust.denied.contains(caller.serial)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the certificate was revoked (serial ", caller.serial, ")"));
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
