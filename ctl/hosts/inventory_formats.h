#ifndef SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_
#define SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory_builder.h"

namespace specula::ctl {

// Readers of the formats that ParseInventory knows, each into `builder`.
// Errors are INVALID_ARGUMENT with NAME:LINE. Pure.
absl::Status ReadTomlInventory(absl::string_view text, const std::string& name,
                               InventoryBuilder& builder);
absl::Status ReadAnsibleIni(absl::string_view text, const std::string& name,
                            InventoryBuilder& builder);
absl::Status ReadAnsibleYaml(absl::string_view text, const std::string& name,
                             InventoryBuilder& builder);

// What both forms of Ansible's inventory have in common.

// Writes Ansible's ranges our way: web[01:50] as web[01-50], [1:9:2] as
// [1-9/2]; one of letters, [a:f], gives one pattern for each.
absl::StatusOr<std::vector<std::string>> FromAnsiblePattern(
    absl::string_view pattern);

// Takes from the variables of a host those that mean something here.
absl::Status TakeAnsibleVariables(
    const std::map<std::string, std::string>& variables, HostEntry& entry);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_
