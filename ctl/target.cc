#include "ctl/target.h"

#include "lib/base/host_port.h"

namespace specula::ctl {

std::string HostLabel(const Target& target) {
  if (!target.name.empty()) return target.name;
  const HostPort& address = target.endpoint.address;
  return address.port == kAgentPort ? address.host : FormatHostPort(address);
}

std::string HostName(const Target& target) {
  absl::StatusOr<HostPort> named = ParseHostPort(target.name, kAgentPort);
  return named.ok() ? named->host : target.endpoint.address.host;
}

}  // namespace specula::ctl
