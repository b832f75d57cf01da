#ifndef SPECULA_CLIENTS_CPP_CREDENTIALS_H_
#define SPECULA_CLIENTS_CPP_CREDENTIALS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/rpc/identity.h"

namespace specula {

// Where a caller's TLS files are.
struct CredentialPaths {
  std::string ca;
  std::string certificate;
  std::string key;
};

// Who a caller is and whom it trusts. Holds the private key.
struct Credentials {
  std::string roots_pem;
  std::string certificate_pem;
  std::string key_pem;
  Identity identity;
  absl::Time not_after;
};

// Reads the files and checks all that can be checked before anybody is dialled,
// so that a mistake is named here and not guessed from a closed connection:
// they parse, fit each other, are not expired, the key is not accessible to
// others, and the certificate is a caller's (clientAuth and a role).
absl::StatusOr<Credentials> LoadCredentials(const CredentialPaths& paths);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_CREDENTIALS_H_
