#include "ctl/hosts/ansible_inventory.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/format.h"
#include "lib/base/host_port.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr char kAll[] = "all";
constexpr char kUngrouped[] = "ungrouped";

// Groups within groups; more is a mistake, and the stack is finite.
constexpr int kDeepest = 64;

// A slip in a range must not eat the memory of the machine.
constexpr size_t kMostMentions = 20 * kMostHosts;

// Returns the value of a variable that is set to something.
const AnsibleValue* Find(const AnsibleVariables& variables,
                         absl::string_view name) {
  auto found = variables.find(name);
  return found == variables.end() ||
                 found->second.kind == AnsibleValue::Kind::kNone
             ? nullptr
             : &found->second;
}

// Refuses what Ansible only knows when it runs.
absl::Status CheckText(const AnsibleValue& value, absl::string_view name,
                       absl::string_view host) {
  const std::string what = absl::StrCat(name, " of ", host, " not read");
  if (value.kind == AnsibleValue::Kind::kVaulted) {
    return AnsibleError(value.where, what, "!vault",
                        "ansible-vault has encrypted it; give the address by "
                        "specula_host, in clear");
  }
  if (value.kind == AnsibleValue::Kind::kCompound) {
    return AnsibleError(value.where, what, "a list or a mapping",
                        "it must be one text");
  }
  if (absl::StrContains(value.text, "{{") ||
      absl::StrContains(value.text, "{%")) {
    return AnsibleError(value.where, what, value.text,
                        "templates are not evaluated here; write the value "
                        "itself, or set specula_host beside it");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsAnsibleVariableOfUse(absl::string_view name) {
  return name == "ansible_host" || name == "ansible_ssh_host" ||
         name == "ansible_group_priority" || name == "specula_host" ||
         name == "specula_port" || name == "specula_certificate_name";
}

absl::Status AnsibleError(const std::string& where, absl::string_view what,
                          absl::string_view object, absl::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", EscapeControls(what), ": '",
                   EscapeControls(object), "': ", EscapeControls(reason)));
}

AnsibleInventory::AnsibleInventory() {
  groups_[kAll];
  groups_[kUngrouped];
}

void AnsibleInventory::AddGroup(const std::string& group) { groups_[group]; }

bool AnsibleInventory::HasGroup(const std::string& group) const {
  return groups_.contains(group);
}

void AnsibleInventory::AddChild(const std::string& group,
                                const std::string& child,
                                const std::string& where) {
  groups_[child].parents.push_back(group);
  groups_[group].children.push_back({child, where});
}

absl::Status AnsibleInventory::AddHost(const std::string& group,
                                       const std::string& host,
                                       const std::string& where) {
  auto [place, is_new] = places_.try_emplace(host, hosts_.size());
  if (places_.size() > kMostHosts || ++mentions_ > kMostMentions) {
    return AnsibleError(where, "host not read", host,
                        absl::StrCat("there are more than ", kMostHosts,
                                     " hosts, or each is named too often; "
                                     "look at the ranges"));
  }
  if (is_new) hosts_.emplace_back().name = host;
  if (group == kAll || group == kUngrouped) {
    return absl::OkStatus();  // see FillUngrouped
  }
  groups_[group].hosts.push_back(place->second);
  hosts_[place->second].grouped = true;
  return absl::OkStatus();
}

void AnsibleInventory::SetGroupVariables(const std::string& group, Place place,
                                         const AnsibleVariables& variables) {
  Group& owner = groups_[group];
  for (const auto& [name, value] : variables) {
    if (name != "ansible_group_priority") {
      (place == Place::kInventory ? owner.variables.in_inventory
                                  : owner.variables.in_files)[name] = value;
    } else if (place == Place::kInventory) {  // elsewhere it means nothing
      if (!absl::SimpleAtoi(value.text, &owner.priority)) owner.priority = 1;
    }
  }
}

void AnsibleInventory::SetHostVariables(const std::string& host, Place place,
                                        const AnsibleVariables& variables) {
  Variables& owner = hosts_[places_.at(host)].variables;
  for (const auto& [name, value] : variables) {
    (place == Place::kInventory ? owner.in_inventory : owner.in_files)[name] =
        value;
  }
}

void AnsibleInventory::SealHost(const std::string& host,
                                const std::string& where) {
  hosts_[places_.at(host)].sealed = where;
}

std::vector<std::string> AnsibleInventory::GroupNames() const {
  std::vector<std::string> names;
  names.reserve(groups_.size());
  for (const auto& [name, group] : groups_) names.push_back(name);
  return names;
}

std::vector<std::string> AnsibleInventory::HostNames() const {
  std::vector<std::string> names;
  names.reserve(hosts_.size());
  for (const Host& host : hosts_) names.push_back(host.name);
  return names;
}

// Whatever was written below `all` and `ungrouped`: the first has every host,
// the second those that no other group has.
void AnsibleInventory::FillUngrouped() {
  for (size_t i = 0; i < hosts_.size(); ++i) {
    groups_[kAll].hosts.push_back(i);
    if (!hosts_[i].grouped) groups_[kUngrouped].hosts.push_back(i);
  }
}

absl::Status AnsibleInventory::FindDepth(const std::string& name,
                                         const std::string& where, int level) {
  Group& group = groups_.at(name);
  if (group.depth > 0) return absl::OkStatus();
  if (group.open || level > kDeepest) {
    return AnsibleError(where, "groups not read", name,
                        "the group contains itself, or lies too deep; take it "
                        "out of its children");
  }
  group.open = true;
  int depth = 1;
  // Invariant: `depth` is one more than the deepest parent so far.
  for (const std::string& parent : group.parents) {
    if (parent == kAll) continue;
    RETURN_IF_ERROR(FindDepth(parent, where, level + 1));
    depth = std::max(depth, groups_.at(parent).depth + 1);
  }
  group.open = false;
  group.depth = depth;
  return absl::OkStatus();
}

// Returns the hosts of a group and of all groups below it, each once.
std::vector<size_t> AnsibleInventory::Members(const std::string& name) const {
  std::vector<size_t> members;
  absl::flat_hash_set<size_t> seen;
  absl::flat_hash_set<std::string> known = {name};
  std::vector<std::string> waiting = {name};
  // Invariant: a group is in `known` from when it was put into `waiting` on.
  while (!waiting.empty()) {
    const Group& group = groups_.at(waiting.back());
    waiting.pop_back();
    for (const size_t host : group.hosts) {
      if (seen.insert(host).second) members.push_back(host);
    }
    for (const Child& child : group.children) {
      if (known.insert(child.group).second) waiting.push_back(child.group);
    }
  }
  return members;
}

void AnsibleInventory::Apply(const std::vector<size_t>& hosts,
                             const AnsibleVariables& variables) {
  for (const size_t host : hosts) {
    for (const auto& [name, value] : variables) {
      hosts_[host].effective[name] = value;
    }
  }
}

// Ansible's order, what comes later having more authority: the inventory's
// `all`, its other groups, group_vars/all, group_vars/ of the others, the
// inventory's hosts, host_vars/. Groups go by depth, priority and name.
void AnsibleInventory::ApplyAll() {
  struct Owner {
    const Variables* variables;
    std::vector<size_t> hosts;
  };
  std::vector<std::pair<std::tuple<int, int64_t, std::string>, Owner>> groups;
  for (const auto& [name, group] : groups_) {
    if (name == kAll || (group.variables.in_inventory.empty() &&
                         group.variables.in_files.empty())) {
      continue;
    }
    groups.push_back({{group.depth, group.priority, name},
                      {&group.variables, Members(name)}});
  }
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const Group& all = groups_.at(kAll);
  Apply(all.hosts, all.variables.in_inventory);
  for (const auto& [rank, owner] : groups) {
    Apply(owner.hosts, owner.variables->in_inventory);
  }
  Apply(all.hosts, all.variables.in_files);
  for (const auto& [rank, owner] : groups) {
    Apply(owner.hosts, owner.variables->in_files);
  }
  for (const size_t host : all.hosts) {
    Apply({host}, hosts_[host].variables.in_inventory);
    Apply({host}, hosts_[host].variables.in_files);
  }
}

absl::StatusOr<HostEntry> AnsibleInventory::Entry(const Host& host) {
  HostEntry entry;
  entry.pattern = host.name;
  const AnsibleVariables& variables = host.effective;
  // Of the two names Ansible's ssh prefers the older one.
  const AnsibleValue* theirs = Find(variables, "ansible_ssh_host");
  if (theirs == nullptr) theirs = Find(variables, "ansible_host");
  const AnsibleValue* ours = Find(variables, "specula_host");
  if (ours != nullptr) {
    RETURN_IF_ERROR(CheckText(*ours, "specula_host", host.name));
    entry.address = ours->text;
  } else if (theirs != nullptr) {
    RETURN_IF_ERROR(CheckText(*theirs, "ansible_host", host.name));
    const absl::StatusOr<HostPort> read = ParseHostPort(theirs->text, 0);
    if (!read.ok() || read->host != theirs->text) {
      return AnsibleError(
          theirs->where,
          absl::StrCat("ansible_host of ", host.name, " not read"),
          theirs->text,
          "it is no name or IP address; a port or a user "
          "stands in variables of its own");
    }
    entry.address = theirs->text;
  } else if (!host.sealed.empty()) {
    return AnsibleError(host.sealed, "variables not read", host.name,
                        "ansible-vault has encrypted the file, in which the "
                        "address may be; say ansible_host or specula_host "
                        "outside of it");
  }
  if (const AnsibleValue* port = Find(variables, "specula_port")) {
    RETURN_IF_ERROR(CheckText(*port, "specula_port", host.name));
    if (!absl::SimpleAtoi(port->text, &entry.port) || entry.port < 1 ||
        entry.port > UINT16_MAX) {
      return AnsibleError(port->where,
                          absl::StrCat("port of ", host.name, " not read"),
                          port->text, "specula_port must be 1 to 65535");
    }
  }
  if (const AnsibleValue* name = Find(variables, "specula_certificate_name")) {
    RETURN_IF_ERROR(CheckText(*name, "specula_certificate_name", host.name));
    entry.certificate_name = name->text;
  }
  return entry;
}

absl::Status AnsibleInventory::Build(InventoryBuilder& builder) && {
  for (const auto& [name, group] : groups_) {
    for (const Child& child : group.children) {
      if (child.group == kAll) {
        return AnsibleError(child.where, "groups not read", name,
                            "it has 'all' for a child, which contains every "
                            "group; take it out");
      }
      RETURN_IF_ERROR(FindDepth(child.group, child.where, 0));
    }
  }
  for (auto& [name, group] : groups_) group.depth = std::max(group.depth, 1);
  FillUngrouped();
  ApplyAll();
  for (const Host& host : hosts_) {
    ASSIGN_OR_RETURN(const HostEntry entry, Entry(host));
    absl::StatusOr<std::vector<std::string>> added = builder.AddHosts(entry);
    if (!added.ok()) {
      const AnsibleValue* value = Find(host.effective, "specula_host");
      if (value == nullptr) {
        value = Find(host.effective, "specula_certificate_name");
      }
      return AnsibleError(value == nullptr ? "inventory" : value->where,
                          "host not read", host.name, added.status().message());
    }
  }
  for (const auto& [name, group] : groups_) {
    std::vector<std::string> names;
    names.reserve(group.hosts.size());
    for (const size_t host : group.hosts) names.push_back(hosts_[host].name);
    builder.AddMembers(name, std::move(names));
    for (const Child& child : group.children) {
      builder.AddChild(name, child.group, child.where);
    }
  }
  return absl::OkStatus();
}

}  // namespace specula::ctl
