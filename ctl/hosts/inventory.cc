#include "ctl/hosts/inventory.h"

#include <utility>

#include "absl/strings/match.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {

absl::StatusOr<Inventory> ParseInventory(absl::string_view text,
                                         const std::string& name,
                                         uint16_t default_port) {
  InventoryBuilder builder(default_port);
  if (absl::EndsWith(name, ".toml")) {
    RETURN_IF_ERROR(ReadTomlInventory(text, name, builder));
  } else if (IsAnsibleSource(text, name)) {
    AnsibleInventory inventory;
    RETURN_IF_ERROR(ReadAnsibleSource(text, name, inventory));
    RETURN_IF_ERROR(std::move(inventory).Build(builder));
  } else {
    RETURN_IF_ERROR(ReadPlainInventory(text, name, builder));
  }
  return std::move(builder).Build();
}

}  // namespace specula::ctl
