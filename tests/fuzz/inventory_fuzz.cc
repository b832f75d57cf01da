#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory.h"
#include "ctl/hosts/pattern.h"

// The first byte chooses the format. An inventory that is read is within its
// bound, names no host twice, and all of its hosts can be dialled.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kNames[] = {"f.toml", "f.yml", "f"};
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1,
                               size < 2048 ? size - 1 : 2047);
  const auto inventory =
      specula::ctl::ParseInventory(text, kNames[data[0] % 3], 60120);
  if (!inventory.ok()) return 0;
  if (inventory->hosts.size() > specula::ctl::kMostHosts) abort();
  absl::flat_hash_set<absl::string_view> names;
  for (const specula::ctl::InventoryHost& host : inventory->hosts) {
    if (!names.insert(host.name).second) abort();
    if (host.address.port == 0 || host.address.host.empty()) abort();
  }
  return 0;
}
