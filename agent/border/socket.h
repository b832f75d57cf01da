#ifndef SPECULA_AGENT_BORDER_SOCKET_H_
#define SPECULA_AGENT_BORDER_SOCKET_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/unique_fd.h"

// The system calls of a listening TCP socket.
namespace specula::agent {

// A non-blocking listening socket. The host is an IP address, a name, or "" or
// "*" for all addresses of both families; port 0 takes a free one. UNAVAILABLE
// with the address and the cause ("Address already in use").
absl::StatusOr<UniqueFd> ListenOn(const HostPort& address);

// The local port of a socket.
uint16_t PortOf(int fd);

// What counts as one source: an IPv4 address, also in its IPv6 form, or the /64
// of an IPv6 address, as whoever has one of those has them all.
std::string SourceOf(const sockaddr_storage& peer);

// The address and port of one, for people: "192.0.2.1:4711", also of an IPv4
// address in its IPv6 form, or "[2001:db8::1]:4711".
std::string AddressOf(const sockaddr_storage& peer);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_SOCKET_H_
