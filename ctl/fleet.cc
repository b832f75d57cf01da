#include "ctl/fleet.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/hosts/host_set.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr uint16_t kAgentPort = 60120;

absl::Status NeedPath(const std::string& path, absl::string_view flag,
                      absl::string_view variable) {
  if (!path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      flag,
      " is missing: agents answer over mutual TLS only. Give it as a flag, as ",
      variable, ", or in ctl.toml; 'specula pki' makes the files"));
}

}  // namespace

absl::StatusOr<std::vector<Target>> OpenFleet(const FleetOptions& options) {
  if (options.hosts.empty()) {
    return absl::InvalidArgumentError(
        "no hosts: give them by --hosts vm[01-64],10.0.0.7:60120, as "
        "SPECULA_HOSTS, or in ctl.toml");
  }
  ASSIGN_OR_RETURN(std::vector<std::string> hosts,
                   EvaluateHostSet(options.hosts, {}, kAgentPort));
  RETURN_IF_ERROR(NeedPath(options.paths.ca, "--ca", "SPECULA_CA"));
  RETURN_IF_ERROR(
      NeedPath(options.paths.certificate, "--cert", "SPECULA_CERT"));
  RETURN_IF_ERROR(NeedPath(options.paths.key, "--key", "SPECULA_KEY"));
  ASSIGN_OR_RETURN(Credentials credentials, LoadCredentials(options.paths));
  std::vector<Target> targets;
  targets.reserve(hosts.size());
  for (const std::string& host : hosts) {
    Target target;
    target.id = static_cast<int>(targets.size()) + 1;
    ASSIGN_OR_RETURN(target.endpoint.address, ParseHostPort(host, kAgentPort));
    target.client = std::make_unique<AgentClient>(
        MakeChannel(target.endpoint, credentials));
    targets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace specula::ctl
