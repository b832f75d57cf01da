#ifndef SPECULA_CTL_FLEET_H_
#define SPECULA_CTL_FLEET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cpp/credentials.h"
#include "ctl/fan_out.h"
#include "ctl/hosts/inventory.h"
#include "ctl/hosts/selection.h"

namespace specula::ctl {

// Whom to ask and as whom: the options that all commands have in common.
struct FleetOptions {
  Selection selection;
  // A file or dns:///NAME[:PORT]; empty: inventory.toml beside the
  // configuration, if it is there.
  std::string inventory;
  CredentialPaths paths;
  double timeout_seconds = 5;
  bool json = false;
  double watch_seconds = 0;  // 0: once
};

// Reads the inventory that the options name. Empty if they name none and there
// is none at the usual place. Errors carry the place; INVALID_ARGUMENT with
// FILE:LINE.
absl::StatusOr<Inventory> LoadInventory(const FleetOptions& options);

// Finds the hosts of the selection in the inventory. INVALID_ARGUMENT says what
// the user can mend.
absl::StatusOr<std::vector<SelectedHost>> SelectFleet(
    const FleetOptions& options);

// As SelectFleet, and reads the TLS files and makes a channel for each host;
// nobody is dialled yet.
absl::StatusOr<std::vector<Target>> OpenFleet(const FleetOptions& options);

// Opens the one host that `host` names, by name or by the id that `list` shows,
// or, if that is empty, the one that the options come to: the only element, as
// AskAll takes it. INVALID_ARGUMENT for none and for more than one. `command`
// is for the error text.
absl::StatusOr<std::vector<Target>> OpenHost(FleetOptions options,
                                             const std::string& host,
                                             absl::string_view command);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FLEET_H_
