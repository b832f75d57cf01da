#include "clients/cpp/credentials.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/certificate.h"

namespace specula {

absl::StatusOr<Credentials> LoadCredentials(const CredentialPaths& paths) {
  Credentials credentials;
  ASSIGN_OR_RETURN(credentials.roots_pem, ReadFile(paths.ca));
  ASSIGN_OR_RETURN(credentials.certificate_pem, ReadFile(paths.certificate));
  ASSIGN_OR_RETURN(credentials.key_pem, ReadSecretFile(paths.key));
  auto with_path = [&](const absl::Status& status) {
    return absl::Status(
        status.code(), absl::StrCat(paths.certificate, ": ", status.message()));
  };
  absl::Status sound =
      CheckMaterial(credentials.roots_pem, credentials.certificate_pem,
                    credentials.key_pem, absl::Now());
  if (!sound.ok()) return with_path(sound);
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(credentials.certificate_pem);
  if (!certificate.ok()) return with_path(certificate.status());
  absl::StatusOr<Identity> identity = IdentityOf(*certificate);
  if (!identity.ok()) return with_path(identity.status());
  if (!certificate->client_auth) {
    return with_path(absl::FailedPreconditionError(
        "not for clients (extendedKeyUsage lacks clientAuth); make one with: "
        "specula pki client DIR NAME --role ROLE"));
  }
  credentials.identity = *std::move(identity);
  credentials.not_after = certificate->not_after;
  return credentials;
}

}  // namespace specula
