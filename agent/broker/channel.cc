#include "agent/broker/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// The first byte of a packet says where the message is, and keeps an empty
// message apart from the end of the stream.
constexpr char kInline = 'i';
constexpr char kInMemfd = 'm';

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// A front that asks for this much without reading its answers is broken.
constexpr size_t kMaxQueued = 16384;

absl::Status PeerGone(int error, absl::string_view operation) {
  return absl::UnavailableError(absl::StrCat(operation, ": ", strerror(error)));
}

absl::StatusOr<std::string> ReadMemfd(int fd) {
  if (!IsSealedMemfd(fd)) {
    return absl::InvalidArgumentError("long message: not a sealed memfd");
  }
  return ReadAll(fd, "long message", kMaxMessageBytes);
}

// Takes over what the kernel has put into this process already, before anything
// can fail.
std::vector<UniqueFd> TakeFds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
      continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Channel::Pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                 fds) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair()");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Channel::Channel(UniqueFd fd)
    : fd_(std::move(fd)), buffer_(kMaxInlineBytes + 1) {}

absl::Status Channel::Send(Packet packet) {
  const size_t fd_count = packet.fds.size() + (packet.held ? 1 : 0);
  if (packet.bytes.size() > kMaxMessageBytes || fd_count >= kMaxMessageFds) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", packet.bytes.size(), " bytes and ",
                     fd_count, " descriptors is beyond the channel's bounds"));
  }
  if (queue_.size() >= kMaxQueued)
    return absl::UnavailableError("the other side does not read");
  if (queue_.empty()) {
    ASSIGN_OR_RETURN(const bool sent, TrySend(packet));
    if (sent) return absl::OkStatus();
  }
  queue_.push_back(std::move(packet));
  return absl::OkStatus();
}

absl::Status Channel::Flush() {
  while (!queue_.empty()) {
    ASSIGN_OR_RETURN(const bool sent, TrySend(queue_.front()));
    if (!sent) break;
    queue_.pop_front();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Channel::TrySend(const Packet& packet) {
  char tag = kInline;
  iovec parts[2] = {
      {&tag, 1}, {const_cast<char*>(packet.bytes.data()), packet.bytes.size()}};
  int fds[kMaxMessageFds];
  size_t fd_count = 0;
  for (const UniqueFd& fd : packet.fds) fds[fd_count++] = fd.get();
  if (packet.held) fds[fd_count++] = packet.held->get();

  UniqueFd memfd;
  if (packet.bytes.size() > kMaxInlineBytes) {
    ASSIGN_OR_RETURN(memfd, SealedMemfd("specula-message", packet.bytes));
    tag = kInMemfd;
    parts[1].iov_len = 0;
    fds[fd_count++] = memfd.get();
  }

  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  if (fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(part), fds, fd_count * sizeof(int));
  }
  while (true) {
    if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: descriptors in flight are limited too, until they are
    // taken.
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
      return false;
    return PeerGone(errno, "send to the other side");
  }
}

absl::StatusOr<std::optional<Packet>> Channel::Receive() {
  iovec part = {buffer_.data(), buffer_.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageFds * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) return std::optional<Packet>();
    return PeerGone(errno, "receive from the other side");
  }
  Packet packet;
  packet.fds = TakeFds(message);
  if (got == 0)
    return absl::UnavailableError("the other side has closed the channel");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError("a message or its descriptors were cut");
  }
  if (buffer_[0] == kInline) {
    packet.bytes.assign(buffer_.data() + 1, static_cast<size_t>(got) - 1);
  } else if (buffer_[0] == kInMemfd && got == 1 && !packet.fds.empty()) {
    ASSIGN_OR_RETURN(packet.bytes, ReadMemfd(packet.fds.back().get()));
    packet.fds.pop_back();
  } else {
    return absl::InvalidArgumentError("a message of no known form");
  }
  return std::optional<Packet>(std::move(packet));
}

absl::StatusOr<UniqueFd> SealedMemfd(const char* name,
                                     absl::string_view bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create()");
  while (!bytes.empty()) {
    const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "write(memfd)");
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return absl::ErrnoToStatus(errno, "fcntl(F_ADD_SEALS)");
  }
  return fd;
}

bool IsSealedMemfd(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

}  // namespace specula::agent
