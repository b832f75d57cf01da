#ifndef SPECULA_CTL_PKI_STORE_H_
#define SPECULA_CTL_PKI_STORE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/identity.h"

// The directory of `specula pki`: an authority, what it issued, and a denylist.
//
//   ca.crt ca.key        the authority, for one trust domain
//   NAME.crt NAME.key    one issued certificate each
//   denylist             serials that are revoked, one per line, # for comments
//
// Keys have mode 0600, the rest 0644. A key and its certificate are replaced
// together: whatever fails, no new key lies beside an old certificate. Two of
// these functions at a time in one directory wait for each other.
//
// Errors carry the path. ALREADY_EXISTS: a file is in the way and `force` is
// not set. INVALID_ARGUMENT: a name, SAN, serial or number of days is wrong;
// nothing was written.
namespace specula::ctl {

struct AuthorityOptions {
  std::string trust_domain = "specula.local";
  int days = 3650;     // 1 to 36500
  bool force = false;  // replace an authority: all it issued become worthless
  absl::Time now = absl::Now();
};

struct IssueOptions {
  int days = 397;      // 1 to 36500; never beyond the end of the authority
  bool force = false;  // replace the certificate and key of that name
  absl::Time now = absl::Now();
};

// What was written.
struct Issued {
  std::string certificate_path;
  std::string key_path;
  Certificate certificate;
};

struct Revoked {
  std::string serial;
  bool added = false;  // false: it was on the list already
};

// Makes `dir` (0700) if it is not there, an authority in it, and an empty
// denylist unless there is one: what was revoked stays so.
absl::StatusOr<Issued> InitAuthority(const std::string& dir,
                                     const AuthorityOptions& options);

// Issues for an agent: server and client (its own health probe), with `name`
// and each of `sans` as IP address or host name (see IsHostName), in lower
// case. Of `sans`, a wildcard as the whole leftmost label is one too.
absl::StatusOr<Issued> IssueAgent(const std::string& dir,
                                  const std::string& name,
                                  const std::vector<std::string>& sans,
                                  const IssueOptions& options);

// Issues for a caller: client only. The role is viewer, operator or admin.
absl::StatusOr<Issued> IssueClient(const std::string& dir,
                                   const std::string& name, Role role,
                                   const IssueOptions& options);

// Issues for a shim: client only.
absl::StatusOr<Issued> IssueShim(const std::string& dir,
                                 const std::string& name,
                                 const IssueOptions& options);

// Puts a certificate on the denylist, given by its serial or by a file that
// holds it first. No error if it is on the list. INVALID_ARGUMENT for an
// authority: agents check the serials of callers only. FAILED_PRECONDITION if
// the list has a line that is none: agents would not take such a list.
// RESOURCE_EXHAUSTED if it would grow longer than agents read (1 MiB).
absl::StatusOr<Revoked> Revoke(const std::string& dir,
                               const std::string& serial_or_file,
                               absl::Time now);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PKI_STORE_H_
