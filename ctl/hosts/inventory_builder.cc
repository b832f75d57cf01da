#include "ctl/hosts/inventory_builder.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/format.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Groups within groups; more is a mistake, and the stack is finite.
constexpr int kDeepest = 64;

absl::Status Odd(const std::string& where, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", why));
}

// Values for the names of an entry: none, one for all, or one for each.
absl::StatusOr<std::vector<std::string>> ForEach(absl::string_view what,
                                                 const std::string& pattern,
                                                 size_t names,
                                                 bool one_for_all) {
  if (pattern.empty()) return std::vector<std::string>();
  ASSIGN_OR_RETURN(std::vector<std::string> values, ExpandPattern(pattern));
  if (values.size() == 1 && (one_for_all || names == 1)) {
    return std::vector<std::string>(names, values.front());
  }
  if (values.size() != names) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", names, " names, but ", values.size(), " ",
                     what, ": '", EscapeControls(pattern), "'"));
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> InventoryBuilder::AddHosts(
    const HostEntry& entry) {
  ASSIGN_OR_RETURN(std::vector<std::string> names,
                   ExpandPattern(entry.pattern));
  ASSIGN_OR_RETURN(
      std::vector<std::string> addresses,
      ForEach("addresses", entry.address, names.size(), /*one_for_all=*/false));
  ASSIGN_OR_RETURN(std::vector<std::string> certificate_names,
                   ForEach("certificate names", entry.certificate_name,
                           names.size(), /*one_for_all=*/true));
  if (entry.port < 0 || entry.port > UINT16_MAX) {
    return absl::InvalidArgumentError("the port must be 1 to 65535");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    // A name may carry its port, as in a host set.
    ASSIGN_OR_RETURN(HostPort named, ParseHostPort(names[i], default_port_));
    HostPort address = named;
    if (!addresses.empty()) {
      ASSIGN_OR_RETURN(address, ParseHostPort(addresses[i], named.port));
    }
    if (entry.port != 0) address.port = static_cast<uint16_t>(entry.port);
    if (address.port == 0) {
      return absl::InvalidArgumentError("port 0 cannot be dialled");
    }
    names[i] = named.port == default_port_ ? named.host : FormatHostPort(named);
    auto [place, is_new] =
        places_.try_emplace(names[i], inventory_.hosts.size());
    const bool says_where = !addresses.empty() || entry.port != 0;
    if (is_new) {
      if (inventory_.hosts.size() >= kMostHosts) {
        return absl::InvalidArgumentError(
            absl::StrCat("more than ", kMostHosts, " hosts"));
      }
      inventory_.hosts.push_back({names[i], address, "", {}});
    }
    InventoryHost& host = inventory_.hosts[place->second];
    if (!is_new && says_where && !(host.address == address)) {
      // Until now only its name was known, or it is told twice.
      if (!(host.address == named)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "'", EscapeControls(names[i]), "' has two addresses, ",
            FormatHostPort(host.address), " and ", FormatHostPort(address)));
      }
      host.address = address;
    }
    if (!certificate_names.empty()) {
      const std::string& name = certificate_names[i];
      if (!IsHostName(name) && !IsIpAddress(name)) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", EscapeControls(name),
                         "' cannot be the name of a certificate: it is neither "
                         "a host name nor an IP address"));
      }
      host.certificate_name = name;
    }
    for (const auto& [key, value] : entry.labels) host.labels[key] = value;
  }
  return names;
}

void InventoryBuilder::AddMembers(const std::string& group,
                                  std::vector<std::string> names) {
  std::vector<std::string>& all = groups_[group].names;
  std::move(names.begin(), names.end(), std::back_inserter(all));
}

void InventoryBuilder::AddChild(const std::string& group,
                                const std::string& child,
                                const std::string& where) {
  groups_[group].parts.push_back({true, child, where});
}

void InventoryBuilder::AddSet(const std::string& group, std::string set,
                              const std::string& where) {
  groups_[group].parts.push_back({false, std::move(set), where});
}

absl::Status InventoryBuilder::ResolveSet(const Part& part,
                                          std::vector<std::string>& hosts,
                                          int depth) {
  for (const std::string& name : GroupsIn(part.text)) {
    if (!groups_.contains(name)) continue;  // refused with the whole set
    RETURN_IF_ERROR(Resolve(name, part.where, depth + 1));
  }
  absl::StatusOr<std::vector<std::string>> set =
      EvaluateHostSet(part.text, inventory_.catalog, default_port_);
  if (!set.ok()) return Odd(part.where, set.status().message());
  hosts.insert(hosts.end(), set->begin(), set->end());
  return absl::OkStatus();
}

absl::Status InventoryBuilder::Resolve(const std::string& name,
                                       const std::string& where, int depth) {
  auto found = groups_.find(name);
  if (found == groups_.end()) {
    return Odd(where,
               absl::StrCat("there is no group '", EscapeControls(name), "'"));
  }
  Group& group = found->second;
  if (group.state == Group::kDone) return absl::OkStatus();
  if (group.state == Group::kOpen || depth > kDeepest) {
    return Odd(where, absl::StrCat("the group '", EscapeControls(name),
                                   "' contains itself"));
  }
  group.state = Group::kOpen;
  std::vector<std::string> hosts = group.names;
  for (const Part& part : group.parts) {
    if (part.is_child) {
      RETURN_IF_ERROR(Resolve(part.text, part.where, depth + 1));
      const std::vector<std::string>& child =
          inventory_.catalog.groups[part.text];
      hosts.insert(hosts.end(), child.begin(), child.end());
    } else {
      RETURN_IF_ERROR(ResolveSet(part, hosts, depth));
    }
  }
  // Each once, where it came first.
  absl::flat_hash_set<std::string> seen;
  std::vector<std::string>& result = inventory_.catalog.groups[name];
  for (std::string& host : hosts) {
    if (seen.insert(host).second) result.push_back(std::move(host));
  }
  group.state = Group::kDone;
  return absl::OkStatus();
}

absl::StatusOr<Inventory> InventoryBuilder::Build() && {
  for (const InventoryHost& host : inventory_.hosts) {
    inventory_.catalog.hosts.push_back(host.name);
    for (const auto& [key, value] : host.labels) {
      groups_[absl::StrCat(key, "=", value)].names.push_back(host.name);
    }
  }
  for (const auto& [name, group] : groups_) {
    RETURN_IF_ERROR(Resolve(name, name, 0));
  }
  return std::move(inventory_);
}

}  // namespace specula::ctl
