#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory.h"
#include "ctl/hosts/inventory_formats.h"
#include "ctl/hosts/pattern.h"

// The first byte chooses the format. An inventory that is read is within its
// bound, names no host twice, all of its hosts can be dialled, and `all` has
// each of them where the format has that group.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kNames[] = {"f.toml", "f.yml",  "f",
                                           "f.ini",  "f.json", "vars"};
  const size_t format = data[0] % std::size(kNames);
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1,
                               size < 2048 ? size - 1 : 2047);
  if (format == 5) {
    specula::ctl::ReadAnsibleVariables(text, kNames[format])
        .status()
        .IgnoreError();
    return 0;
  }
  const auto inventory =
      specula::ctl::ParseInventory(text, kNames[format], 60120);
  if (!inventory.ok()) return 0;
  if (inventory->hosts.size() > specula::ctl::kMostHosts) abort();
  absl::flat_hash_set<absl::string_view> names;
  for (const specula::ctl::InventoryHost& host : inventory->hosts) {
    if (!names.insert(host.name).second) abort();
    if (host.address.port == 0 || host.address.host.empty()) abort();
  }
  if (format != 0 &&
      inventory->catalog.groups.at("all") != inventory->catalog.hosts) {
    abort();
  }
  return 0;
}
