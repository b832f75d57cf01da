#ifndef SPECULA_CTL_FLEET_H_
#define SPECULA_CTL_FLEET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cpp/credentials.h"
#include "ctl/fan_out.h"

namespace specula::ctl {

// Whom to ask and as whom: the options that all commands have in common.
struct FleetOptions {
  std::string hosts;  // a host set
  CredentialPaths paths;
  double timeout_seconds = 5;
  bool json = false;
  double watch_seconds = 0;  // 0: once
};

// Reads the host set and the TLS files and makes a channel for each host;
// nobody is dialled yet. INVALID_ARGUMENT and the like for what the user can
// mend.
absl::StatusOr<std::vector<Target>> OpenFleet(const FleetOptions& options);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FLEET_H_
