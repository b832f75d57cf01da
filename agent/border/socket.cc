#include "agent/border/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int kBacklog = 1024;

// How long what was sent may stay without an answer. gRPC's keepalive does not
// find out who has gone while output is on its way: its ping waits behind it.
constexpr unsigned kUnansweredMilliseconds = 20'000;

struct AddressListDeleter {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

absl::StatusOr<AddressList> Resolve(const HostPort& address) {
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  const bool any = address.host.empty() || address.host == "*";
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(any ? "::" : address.host.c_str(),
                  absl::StrCat(address.port).c_str(), &hints, &list);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ",
                                               FormatHostPort(address), ": ",
                                               gai_strerror(error)));
  }
  return AddressList(list);
}

absl::StatusOr<UniqueFd> Bind(const addrinfo& info, const HostPort& address) {
  auto fail = [&](absl::string_view) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", FormatHostPort(address), ": ", strerror(errno)));
  };
  UniqueFd fd(
      socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("socket");
  const int on = 1;
  const int off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Connections inherit it; gRPC sets it only on sockets it made itself.
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnansweredMilliseconds,
             sizeof kUnansweredMilliseconds);
  if (info.ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(fd.get(), info.ai_addr, info.ai_addrlen) != 0) return fail("bind");
  if (listen(fd.get(), kBacklog) != 0) return fail("listen");
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> ListenOn(const HostPort& address) {
  ASSIGN_OR_RETURN(AddressList list, Resolve(address));
  return Bind(*list, address);
}

uint16_t PortOf(int fd) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  return storage.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port)
             : ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

std::string SourceOf(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return text;
  }
  in6_addr address = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof text);
    return text;
  }
  memset(&address.s6_addr[8], 0, 8);
  inet_ntop(AF_INET6, &address, text, sizeof text);
  return absl::StrCat(text, "/64");
}

std::string AddressOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return absl::StrCat(SourceOf(peer), ":", ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
    return absl::StrCat(SourceOf(peer), ":", ntohs(v6.sin6_port));
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return absl::StrCat("[", text, "]:", ntohs(v6.sin6_port));
}

}  // namespace specula::agent
