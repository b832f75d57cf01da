#ifndef SPECULA_CTL_HOSTS_INVENTORY_H_
#define SPECULA_CTL_HOSTS_INVENTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/host_set.h"
#include "lib/base/host_port.h"

namespace specula::ctl {

// One host as the operator keeps it.
struct InventoryHost {
  std::string name;  // by which it is called and shown
  HostPort address;  // where it is dialled
  // For what its certificate must be; empty: for the name.
  std::string certificate_name;
  std::map<std::string, std::string> labels;
};

// The hosts of a fleet, in the order of the file, and their groups. Each label
// makes a group as well: rack = "a" makes @rack=a.
struct Inventory {
  std::vector<InventoryHost> hosts;
  HostCatalog catalog;
};

// Reads an inventory; `name` is for errors and tells the kind of it:
//
//   *.toml            our own:
//                       [[host]]
//                       name = "vm[01-64]"           # a pattern is many hosts
//                       address = "10.0.0.[1-64]"    # the name if not given
//                       port = 60120
//                       certificate_name = "…"
//                       labels = { rack = "a" }
//                       [group]
//                       web = "vm[01-10],@canary"    # a host set
//   *.yml, *.yaml,    an inventory of Ansible's, in Ansible's sense: `all` and
//   *.json, *.ini     `ungrouped` are there, a port is that of ssh and falls
//                     away, the last value of a variable counts
//   else              the same, where there is what only Ansible writes (see
//                     IsAnsibleSource); otherwise plain lines, a host set each,
//                     and the groups `all` and `ungrouped`
//
// Of Ansible's variables ansible_host is where it is dialled; specula_host,
// specula_port and specula_certificate_name have more authority; those of ssh
// mean nothing here. INVALID_ARGUMENT with NAME:LINE for what cannot be read:
// an unknown key, a host of our own formats named twice with different
// addresses, a group that contains itself or that is not there, an address that
// is a template or encrypted. Pure: variables beside the file are for
// ReadInventory.
absl::StatusOr<Inventory> ParseInventory(absl::string_view text,
                                         const std::string& name,
                                         uint16_t default_port);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_H_
