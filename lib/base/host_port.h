#ifndef SPECULA_LIB_BASE_HOST_PORT_H_
#define SPECULA_LIB_BASE_HOST_PORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula {

// A host name (see IsHostName) or IP address (without brackets) and a TCP port.
struct HostPort {
  std::string host;
  uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// Reads "vm1", "vm1:60120", "10.0.0.1:0", "[::1]:60120", "[::1]" and "::1".
// `default_port` stands where none is given. INVALID_ARGUMENT says what is odd;
// the host is not resolved. Pure.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text,
                                       uint16_t default_port);

// "vm1:60120", "[::1]:60120".
std::string FormatHostPort(const HostPort& address);

// Whether an address cannot be reached from other hosts. Pure: a name other
// than localhost is not looked up.
bool IsLoopback(const HostPort& address);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_HOST_PORT_H_
