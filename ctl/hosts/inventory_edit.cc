#include "ctl/hosts/inventory_edit.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

const InventoryHost* Find(const Inventory& inventory, const std::string& name) {
  const auto found = std::find_if(
      inventory.hosts.begin(), inventory.hosts.end(),
      [&](const InventoryHost& host) { return host.name == name; });
  return found == inventory.hosts.end() ? nullptr : &*found;
}

// Names and addresses are of letters, digits and -._:, which need no escape.
std::string Entry(const InventoryHost& host, uint16_t default_port) {
  std::string text = absl::StrCat("[[host]]\nname = \"", host.name, "\"\n");
  if (host.address.host != host.name) {
    absl::StrAppend(&text, "address = \"", host.address.host, "\"\n");
  }
  if (host.address.port != default_port) {
    absl::StrAppend(&text, "port = ", host.address.port, "\n");
  }
  if (!host.certificate_name.empty() && host.certificate_name != host.name) {
    absl::StrAppend(&text, "certificate_name = \"", host.certificate_name,
                    "\"\n");
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> AddToInventory(
    absl::string_view text, const std::string& name,
    const std::vector<InventoryHost>& hosts, uint16_t default_port) {
  ASSIGN_OR_RETURN(Inventory before, ParseInventory(text, name, default_port));
  std::string result(text);
  for (const InventoryHost& host : hosts) {
    if (Find(before, host.name) != nullptr) continue;
    if (!result.empty()) {
      absl::StrAppend(&result, absl::EndsWith(result, "\n") ? "\n" : "\n\n");
    }
    absl::StrAppend(&result, Entry(host, default_port));
  }
  ASSIGN_OR_RETURN(Inventory after, ParseInventory(result, name, default_port));
  for (const InventoryHost& host : hosts) {
    if (Find(after, host.name) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " does not take the host ", host.name));
    }
  }
  return result;
}

}  // namespace specula::ctl
