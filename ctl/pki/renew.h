#ifndef SPECULA_CTL_PKI_RENEW_H_
#define SPECULA_CTL_PKI_RENEW_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/rpc/certificate.h"

// New certificates in the place of those that end soon.
namespace specula::ctl {

struct RenewOptions {
  std::vector<std::string> names = {};  // only these; empty: all
  absl::Duration within = absl::Hours(24) * 30;
  int days = 397;         // 1 to 36500; never beyond the end of the authority
  bool keep_key = false;  // certify the key that is there, instead of a new one
  bool dry_run = false;   // only say what would be renewed
  absl::Time now = absl::Now();
};

// What became of one certificate of the directory.
struct Renewal {
  std::string name;
  Certificate before;  // empty if it could not be read
  Certificate after;   // empty unless it was renewed
  // Why it was not, though it ends soon or cannot be read; OK: it was renewed,
  // or would be.
  absl::Status status;
};

// Reissues what ends within `within`, or has ended, in the directory of
// store.h: the same identity, names and usages, a new serial. One that lasts
// longer has no entry. Not renewed, and said so: what the authority did not
// issue, what is on the denylist, what does not parse; one that fails costs
// only its own entry. A certificate that would last no longer than before, as
// the authority ends, is not renewed either.
//
// Errors: the authority cannot be used, NOT_FOUND for a name that is not there.
absl::StatusOr<std::vector<Renewal>> Renew(const std::string& dir,
                                           const RenewOptions& options);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PKI_RENEW_H_
