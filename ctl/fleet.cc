#include "ctl/fleet.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ctl/hosts/inventory_files.h"
#include "ctl/user_files.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/resolve.h"

namespace specula::ctl {
namespace {

constexpr absl::string_view kDnsScheme = "dns:///";

absl::Status NeedPath(const std::string& path, absl::string_view flag,
                      absl::string_view variable) {
  if (!path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      flag,
      " is missing: agents answer over mutual TLS only. Give it as a flag, as ",
      variable, ", or in ctl.toml; 'specula pki' makes the files"));
}

// All addresses of a name; their certificates are for the name.
absl::StatusOr<Inventory> InventoryFromDns(absl::string_view place,
                                           absl::Duration timeout) {
  ASSIGN_OR_RETURN(HostPort service, ParseHostPort(place, kAgentPort));
  ASSIGN_OR_RETURN(std::vector<std::string> addresses,
                   ResolveAll(service.host, timeout));
  Inventory inventory;
  for (std::string& address : addresses) {
    InventoryHost host;
    host.address = {std::move(address), service.port};
    host.name = service.port == kAgentPort ? host.address.host
                                           : FormatHostPort(host.address);
    host.certificate_name = service.host;
    inventory.catalog.hosts.push_back(host.name);
    inventory.hosts.push_back(std::move(host));
  }
  return inventory;
}

std::vector<Target> OpenAll(ClosedFleet fleet) {
  for (Target& target : fleet.targets) OpenTarget(target, fleet.credentials);
  return std::move(fleet.targets);
}

bool IsId(const std::string& text) {
  return !text.empty() && text.size() <= 6 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

absl::StatusOr<Inventory> LoadInventory(const FleetOptions& options) {
  std::string place = options.inventory;
  const bool usual = place.empty();
  if (usual) place = UserConfigFile("inventory.toml");
  absl::string_view name = place;
  if (absl::ConsumePrefix(&name, kDnsScheme)) {
    return InventoryFromDns(name, absl::Seconds(options.timeout_seconds));
  }
  absl::StatusOr<Inventory> inventory = ReadInventory(place, kAgentPort);
  if (usual && absl::IsNotFound(inventory.status())) return Inventory();
  return inventory;
}

absl::StatusOr<std::vector<SelectedHost>> SelectFleet(
    const FleetOptions& options) {
  ASSIGN_OR_RETURN(Inventory inventory, LoadInventory(options));
  if (options.selection.hosts.empty() && inventory.hosts.empty()) {
    return absl::InvalidArgumentError(
        "no hosts: give them by --hosts vm[01-64],10.0.0.7:60120, as "
        "SPECULA_HOSTS, in ctl.toml, or keep an inventory (--inventory FILE)");
  }
  return SelectHosts(options.selection, inventory, kAgentPort,
                     std::random_device()());
}

absl::StatusOr<std::vector<Target>> OpenFleet(const FleetOptions& options,
                                              const std::string& expression) {
  ASSIGN_OR_RETURN(ClosedFleet fleet, LoadFleet(options, expression));
  return OpenAll(std::move(fleet));
}

absl::StatusOr<ClosedFleet> LoadFleet(FleetOptions options,
                                      const std::string& expression) {
  const bool by_id = IsId(expression);
  if (!expression.empty() && !by_id) options.selection.hosts = expression;
  ASSIGN_OR_RETURN(std::vector<SelectedHost> hosts, SelectFleet(options));
  if (by_id) {
    // A host may be called "2"; that goes before its place in the list.
    const bool named = std::any_of(
        hosts.begin(), hosts.end(),
        [&](const SelectedHost& known) { return known.name == expression; });
    int id = 0;
    if (!absl::SimpleAtoi(expression, &id)) id = 0;
    std::erase_if(hosts, [&](const SelectedHost& known) {
      return named ? known.name != expression : known.id != id;
    });
    if (hosts.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no host with the id ", expression,
                       "; 'specula list' shows them"));
    }
  }
  return CloseFleet(options, std::move(hosts));
}

absl::StatusOr<ClosedFleet> CloseFleet(const FleetOptions& options,
                                       std::vector<SelectedHost> hosts) {
  RETURN_IF_ERROR(NeedPath(options.paths.ca, "--ca", "SPECULA_CA"));
  RETURN_IF_ERROR(
      NeedPath(options.paths.certificate, "--cert", "SPECULA_CERT"));
  RETURN_IF_ERROR(NeedPath(options.paths.key, "--key", "SPECULA_KEY"));
  ClosedFleet fleet;
  ASSIGN_OR_RETURN(fleet.credentials, LoadCredentials(options.paths));
  fleet.targets.reserve(hosts.size());
  for (SelectedHost& host : hosts) {
    Target target;
    target.id = host.id;
    target.name = std::move(host.name);
    target.endpoint = {std::move(host.address),
                       std::move(host.certificate_name)};
    fleet.targets.push_back(std::move(target));
  }
  return fleet;
}

void OpenTarget(Target& target, const Credentials& credentials) {
  target.client =
      std::make_unique<AgentClient>(MakeChannel(target.endpoint, credentials));
}

absl::StatusOr<std::vector<Target>> OpenHost(const FleetOptions& options,
                                             const std::string& expression,
                                             absl::string_view command) {
  ASSIGN_OR_RETURN(ClosedFleet fleet, LoadFleet(options, expression));
  if (fleet.targets.size() != 1) {
    const std::string& said =
        expression.empty() ? options.selection.hosts : expression;
    return absl::InvalidArgumentError(absl::StrCat(
        command, " takes one host, and this names ", fleet.targets.size(), ": ",
        said.empty() ? "the whole inventory" : EscapeControls(said)));
  }
  return OpenAll(std::move(fleet));
}

std::vector<std::string> LabelsOf(const std::vector<Target>& targets) {
  std::vector<std::string> labels;
  labels.reserve(targets.size());
  for (const Target& target : targets) labels.push_back(HostLabel(target));
  return labels;
}

}  // namespace specula::ctl
