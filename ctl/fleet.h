#ifndef SPECULA_CTL_FLEET_H_
#define SPECULA_CTL_FLEET_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cpp/credentials.h"
#include "ctl/hosts/inventory.h"
#include "ctl/hosts/selection.h"
#include "ctl/target.h"

namespace specula::ctl {

// Whom to ask and as whom: the options that all commands have in common.
struct FleetOptions {
  Selection selection;
  // A file, a directory of Ansible's, or dns:///NAME[:PORT]; empty:
  // inventory.toml beside the configuration, if it is there.
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

// Hosts whose channels are made one by one, when their turn comes: their
// `client` is null until OpenTarget.
struct ClosedFleet {
  std::vector<Target> targets;  // at least one
  Credentials credentials;
};

// Finds the hosts that `expression` names: a host set, or one host by the id
// that `list` shows; if it is empty, those that the options come to. Reads the
// TLS files. INVALID_ARGUMENT says what the user can mend.
absl::StatusOr<ClosedFleet> LoadFleet(FleetOptions options,
                                      const std::string& expression);

// The same for hosts that are known already: at least one.
absl::StatusOr<ClosedFleet> CloseFleet(const FleetOptions& options,
                                       std::vector<SelectedHost> hosts);

// How many channels of hosts that are done may stay open until there is time to
// close them: each takes 150 kB, and to close it a twentieth of what all of a
// host takes.
inline constexpr size_t kMostKept = 256;

// For the fleet of a command after which the process ends: it is never freed,
// and so nobody waits while each connection is taken apart (0.15 ms).
template <typename Fleet>
Fleet& KeepToTheEnd(Fleet fleet) {
  return *new Fleet(std::move(fleet));
}

// Makes the channel of one of them; nobody is dialled yet.
void OpenTarget(Target& target, const Credentials& credentials);

// As LoadFleet, and opens all.
absl::StatusOr<std::vector<Target>> OpenFleet(const FleetOptions& options,
                                              const std::string& expression);

// As OpenFleet, where only one host will do: INVALID_ARGUMENT for more than
// one. `command` is for the error text.
absl::StatusOr<std::vector<Target>> OpenHost(const FleetOptions& options,
                                             const std::string& expression,
                                             absl::string_view command);

// The labels of hosts, in their order.
std::vector<std::string> LabelsOf(const std::vector<Target>& targets);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FLEET_H_
