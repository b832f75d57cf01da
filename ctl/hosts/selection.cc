#include "ctl/hosts/selection.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// `count` of them, by chance, in the order in which they were.
void Pick(std::vector<std::string>& names, size_t count, uint64_t seed) {
  if (count >= names.size()) return;
  std::vector<std::string> picked;
  std::mt19937_64 random(seed);
  std::sample(names.begin(), names.end(), std::back_inserter(picked), count,
              random);
  names = std::move(picked);
}

}  // namespace

absl::StatusOr<std::vector<SelectedHost>> SelectHosts(
    const Selection& selection, const Inventory& inventory,
    uint16_t default_port, uint64_t seed) {
  std::vector<std::string> names = inventory.catalog.hosts;
  if (!selection.hosts.empty()) {
    ASSIGN_OR_RETURN(names, EvaluateHostSet(selection.hosts, inventory.catalog,
                                            default_port));
  }
  if (!selection.exclude.empty()) {
    ASSIGN_OR_RETURN(
        std::vector<std::string> excluded,
        EvaluateHostSet(selection.exclude, inventory.catalog, default_port));
    const absl::flat_hash_set<std::string> out(excluded.begin(),
                                               excluded.end());
    std::erase_if(names,
                  [&](const std::string& name) { return out.contains(name); });
  }
  if (names.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no host is left: ",
        selection.hosts.empty()
            ? "all hosts"
            : absl::StrCat("'", EscapeControls(selection.hosts), "'"),
        selection.exclude.empty()
            ? ""
            : absl::StrCat(" without '", EscapeControls(selection.exclude),
                           "'"),
        " comes to none"));
  }
  if (selection.pick > 0) {
    Pick(names, static_cast<size_t>(selection.pick), seed);
  }
  absl::flat_hash_map<absl::string_view, size_t> places;
  for (size_t i = 0; i < inventory.hosts.size(); ++i) {
    places[inventory.hosts[i].name] = i;
  }
  std::vector<SelectedHost> hosts;
  hosts.reserve(names.size());
  int next_id = static_cast<int>(inventory.hosts.size()) + 1;
  for (std::string& name : names) {
    SelectedHost host;
    auto place = places.find(name);
    if (place != places.end()) {
      const InventoryHost& known = inventory.hosts[place->second];
      host.id = static_cast<int>(place->second) + 1;
      host.address = known.address;
      host.certificate_name = known.certificate_name;
      if (host.certificate_name.empty()) {
        ASSIGN_OR_RETURN(HostPort named, ParseHostPort(name, default_port));
        host.certificate_name = named.host;
      }
    } else {
      host.id = next_id++;
      ASSIGN_OR_RETURN(host.address, ParseHostPort(name, default_port));
      host.certificate_name = host.address.host;
    }
    host.name = std::move(name);
    hosts.push_back(std::move(host));
  }
  return hosts;
}

}  // namespace specula::ctl
