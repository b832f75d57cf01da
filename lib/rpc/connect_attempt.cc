#include "lib/rpc/connect_attempt.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace specula {
namespace {

// TCP_SYN_SENT and TCP_CLOSE, which glibc has in another header.
constexpr int kSynSent = 2;
constexpr int kClosed = 7;

// Without taking an error from the socket, as SO_ERROR would. kClosed for what
// is no TCP socket.
int TcpStateOf(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return kClosed;
  return info.tcpi_state;
}

bool IsAttempt(int fd) { return TcpStateOf(fd) == kSynSent; }

// getpeername(2) says nothing before there is a connection.
std::optional<HostPort> PeerOf(int fd) {
  int family = 0;
  socklen_t size = sizeof family;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
    return std::nullopt;
  }
  char text[INET6_ADDRSTRLEN];
  if (family == AF_INET) {
    sockaddr_in peer = {};
    size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &peer, &size) != 0 ||
        inet_ntop(family, &peer.sin_addr, text, sizeof text) == nullptr) {
      return std::nullopt;
    }
    return HostPort{text, ntohs(peer.sin_port)};
  }
  sockaddr_in6 peer = {};
  size = sizeof peer;
  if (family != AF_INET6 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &peer, &size) != 0) {
    return std::nullopt;
  }
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr);
  if (inet_ntop(mapped ? AF_INET : AF_INET6,
                peer.sin6_addr.s6_addr + (mapped ? 12 : 0), text,
                sizeof text) == nullptr) {
    return std::nullopt;
  }
  return HostPort{text, ntohs(peer.sin6_port)};
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::vector<ConnectAttempt> ListConnectAttempts() {
  std::vector<ConnectAttempt> attempts;
  const std::unique_ptr<DIR, CloseDirectory> directory(
      opendir("/proc/self/fd"));
  if (directory == nullptr) return attempts;
  // Each descriptor may be closed, and be another, at any time but behind dup.
  while (const dirent* entry = readdir(directory.get())) {
    int fd = -1;
    if (!absl::SimpleAtoi(entry->d_name, &fd) || !IsAttempt(fd)) continue;
    ConnectAttempt attempt;
    attempt.socket.Reset(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    const int own = attempt.socket.get();
    struct stat info;
    if (!attempt.socket.valid() || !IsAttempt(own) || fstat(own, &info) != 0) {
      continue;
    }
    std::optional<HostPort> peer = PeerOf(own);
    if (!peer.has_value()) continue;
    attempt.inode = info.st_ino;
    attempt.peer = *std::move(peer);
    attempts.push_back(std::move(attempt));
  }
  return attempts;
}

void EndConnectAttempt(const ConnectAttempt& attempt) {
  if (IsAttempt(attempt.socket.get())) {
    shutdown(attempt.socket.get(), SHUT_RDWR);
  }
}

absl::StatusOr<UniqueFd> BeginConnect(const HostPort& address) {
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  const sockaddr* peer = reinterpret_cast<const sockaddr*>(&v4);
  socklen_t size = sizeof v4;
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port = htons(address.port);
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) != 1) {
    v6.sin6_family = AF_INET6;
    peer = reinterpret_cast<const sockaddr*>(&v6);
    size = sizeof v6;
    if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("not an IP address: ", address.host));
    }
  }
  UniqueFd fd(socket(peer->sa_family,
                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
  if (connect(fd.get(), peer, size) != 0 && errno != EINPROGRESS) {
    return absl::ErrnoToStatus(errno, "connect");
  }
  return fd;
}

ConnectState StateOfConnect(int fd) {
  switch (TcpStateOf(fd)) {
    case kSynSent:
      return ConnectState::kSilent;
    case kClosed:
      return ConnectState::kFailed;
    default:
      return ConnectState::kAnswered;
  }
}

}  // namespace specula
