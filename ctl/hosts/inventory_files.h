#ifndef SPECULA_CTL_HOSTS_INVENTORY_FILES_H_
#define SPECULA_CTL_HOSTS_INVENTORY_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "ctl/hosts/inventory.h"

namespace specula::ctl {

// No file of an inventory may be longer.
inline constexpr size_t kMostInventoryBytes = 16 << 20;

// Reads the inventory at `path`: a file of any kind that ParseInventory knows,
// or a directory of Ansible's sources, which are read in the order of their
// names, those left out that Ansible leaves out. Of an inventory of Ansible's
// group_vars/ and host_vars/ beside it, or in the directory, are read as well.
//
// Nothing is run. Errors carry the place: INVALID_ARGUMENT with FILE:LINE for
// what cannot be read in Ansible's sense, a program or the configuration of a
// plugin among it, and what ReadFile gives.
absl::StatusOr<Inventory> ReadInventory(const std::string& path,
                                        uint16_t default_port);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_FILES_H_
