#ifndef SPECULA_LIB_RPC_CONNECT_ATTEMPT_H_
#define SPECULA_LIB_RPC_CONNECT_ATTEMPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/unique_fd.h"

// The TCP connections that are being made by any part of this process.
namespace specula {

// One that has been asked for and not been answered.
struct ConnectAttempt {
  UniqueFd socket;     // a second descriptor, so that it stays what it is
  uint64_t inode = 0;  // names the socket
  HostPort peer;       // an IPv4 address is never in its IPv6 form
};

// Reads all of this process, by /proc/self/fd; none where that is not there.
std::vector<ConnectAttempt> ListConnectAttempts();

// Ends an attempt, as if the peer had refused it. No more than that: a
// connection that has come about meanwhile stays.
void EndConnectAttempt(const ConnectAttempt& attempt);

// Begins a connection to an IP address without waiting for it.
absl::StatusOr<UniqueFd> BeginConnect(const HostPort& address);

// What has become of such a connection, however often that is asked.
enum class ConnectState { kSilent, kAnswered, kFailed };
ConnectState StateOfConnect(int fd);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_CONNECT_ATTEMPT_H_
