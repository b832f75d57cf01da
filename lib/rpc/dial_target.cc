#include "lib/rpc/dial_target.h"

#include <arpa/inet.h>

#include "absl/strings/str_cat.h"

namespace specula {

std::string DialTarget(const HostPort& address) {
  in6_addr ignored;
  if (inet_pton(AF_INET, address.host.c_str(), &ignored) == 1) {
    return absl::StrCat("ipv4:", FormatHostPort(address));
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &ignored) == 1) {
    return absl::StrCat("ipv6:", FormatHostPort(address));
  }
  return absl::StrCat("dns:///", FormatHostPort(address));
}

}  // namespace specula
