#include "shim/peer.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lib/base/unique_fd.h"

namespace specula::shim {
namespace {

struct Address {
  int family = AF_UNSPEC;
  uint16_t port = 0;  // in network order, as all here
  uint32_t words[4] = {};
};

Address Read(const sockaddr_storage& storage) {
  Address address;
  address.family = storage.ss_family;
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    address.port = v4.sin_port;
    memcpy(address.words, &v4.sin_addr, sizeof v4.sin_addr);
  } else if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    address.port = v6.sin6_port;
    memcpy(address.words, &v6.sin6_addr, sizeof v6.sin6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      // The other end is most likely an IPv4 socket.
      address.family = AF_INET;
      address.words[0] = address.words[3];
      address.words[1] = address.words[2] = address.words[3] = 0;
    }
  }
  return address;
}

// 127.0.0.0/8 and ::1 never leave the host, and an address of ours is ours.
bool IsHere(const Address& peer, const Address& own) {
  if (memcmp(peer.words, own.words, sizeof peer.words) == 0) return true;
  if (peer.family == AF_INET) {
    return (ntohl(peer.words[0]) >> 24) == IN_LOOPBACKNET;
  }
  return memcmp(peer.words, &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

// Asks for the socket `from` -> `to` of this network namespace.
PeerState Look(const Address& from, const Address& to) {
  const UniqueFd netlink(
      socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.valid()) return PeerState::kUnknown;
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } question = {};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.request.sdiag_family = static_cast<uint8_t>(from.family);
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = ~0U;
  question.request.id.idiag_sport = from.port;
  question.request.id.idiag_dport = to.port;
  memcpy(question.request.id.idiag_src, from.words, sizeof from.words);
  memcpy(question.request.id.idiag_dst, to.words, sizeof to.words);
  question.request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (send(netlink.get(), &question, sizeof question, 0) < 0)
    return PeerState::kUnknown;
  alignas(nlmsghdr) char answer[4096];
  // The kernel answers before send returns.
  const ssize_t size = recv(netlink.get(), answer, sizeof answer, MSG_DONTWAIT);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (size < 0 || !NLMSG_OK(header, static_cast<unsigned>(size)))
    return PeerState::kUnknown;
  if (header->nlmsg_type == NLMSG_ERROR) {
    const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
    return error->error == -ENOENT ? PeerState::kGone : PeerState::kUnknown;
  }
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return PeerState::kUnknown;
  // A socket that only the kernel still has belongs to no inode.
  const auto* found = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  return found->idiag_inode == 0 ? PeerState::kGone : PeerState::kThere;
}

}  // namespace

PeerState StateOfPeer(int fd) {
  tcp_info info = {};
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
      info.tcpi_state == TCP_CLOSE) {
    return PeerState::kGone;  // a reset came, or nothing for too long
  }
  sockaddr_storage own = {};
  sockaddr_storage peer = {};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_length) != 0 ||
      getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) {
    return PeerState::kUnknown;
  }
  const Address here = Read(own);
  const Address there = Read(peer);
  if (!IsHere(there, here)) return PeerState::kUnknown;
  return Look(there, here);
}

}  // namespace specula::shim
