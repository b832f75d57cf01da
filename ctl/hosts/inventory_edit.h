#ifndef SPECULA_CTL_HOSTS_INVENTORY_EDIT_H_
#define SPECULA_CTL_HOSTS_INVENTORY_EDIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory.h"

namespace specula::ctl {

// Adds hosts to the text of an inventory in TOML (see inventory.h), behind what
// is there: nothing of that changes. A host that is in it already is left as it
// is. `name` is for errors. INVALID_ARGUMENT if the text is no such inventory,
// or would be none with them. Pure.
absl::StatusOr<std::string> AddToInventory(
    absl::string_view text, const std::string& name,
    const std::vector<InventoryHost>& hosts, uint16_t default_port);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_EDIT_H_
