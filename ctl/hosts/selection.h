#ifndef SPECULA_CTL_HOSTS_SELECTION_H_
#define SPECULA_CTL_HOSTS_SELECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ctl/hosts/inventory.h"
#include "lib/base/host_port.h"

namespace specula::ctl {

// Which hosts a command is for, as it stands on the command line.
struct Selection {
  std::string hosts = {};    // a host set; empty: all of the inventory
  std::string exclude = {};  // a host set to be left out; may be empty
  int64_t pick = 0;          // that many of them, by chance; 0: all
};

struct SelectedHost {
  // Its place in the inventory, from 1 on; a host that is not in it comes after
  // those that are.
  int id = 0;
  std::string name;  // by which it is shown; with its port if that is unusual
  HostPort address;
  std::string certificate_name;  // what the certificate must be for
};

// Finds the hosts of a selection. INVALID_ARGUMENT if it is empty or odd.
// `seed` decides what is picked. Pure.
absl::StatusOr<std::vector<SelectedHost>> SelectHosts(
    const Selection& selection, const Inventory& inventory,
    uint16_t default_port, uint64_t seed);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_SELECTION_H_
