#ifndef SPECULA_CTL_PKI_DIRECTORY_H_
#define SPECULA_CTL_PKI_DIRECTORY_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ctl/pki/authority.h"
#include "ctl/pki/store.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/certificate.h"

// The files of the directory of store.h, for what issues into it. Errors carry
// the path.
namespace specula::ctl {

inline constexpr absl::Duration kDay = absl::Hours(24);
inline constexpr absl::Duration kClockSkew = absl::Minutes(5);
inline constexpr mode_t kPublicMode = 0644;

// The same error, said of `path`.
absl::Status Prefixed(absl::string_view path, const absl::Status& status);

// INVALID_ARGUMENT unless 1 to 36500.
absl::Status CheckDays(int days);

// Where the certificate of a name lies, and its key.
struct PairPaths {
  std::string certificate;
  std::string key;
};
PairPaths PathsOf(const std::string& dir, absl::string_view name);

// Where the serials lie that are revoked.
std::string DenylistPath(const std::string& dir);

// Held while a directory is changed, so that two commands at once cannot mix a
// key with a certificate or lose a line of the denylist.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& dir);

// Writes a certificate and its key, both or none.
absl::StatusOr<Issued> WriteIssued(const PairPaths& paths, const KeyPair& pair,
                                   bool force);

struct Authority {
  KeyPair pair;
  Certificate certificate;
  std::string trust_domain;
};

// Reads the authority. FAILED_PRECONDITION if it names no trust domain, or is
// not valid at `now`.
absl::StatusOr<Authority> LoadAuthority(const std::string& dir, absl::Time now);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PKI_DIRECTORY_H_
