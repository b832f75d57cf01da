#include "lib/rpc/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"

namespace specula {
namespace {

struct Answer {
  bool done = false;
  int status = ARES_SUCCESS;
  std::set<std::string> addresses;
};

void TakeAnswer(void* argument, int status, int /*timeouts*/,
                ares_addrinfo* info) {
  Answer& answer = *static_cast<Answer*>(argument);
  answer.done = true;
  answer.status = status;
  if (info == nullptr) return;
  for (const ares_addrinfo_node* node = info->nodes; node != nullptr;
       node = node->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void* address =
        node->ai_family == AF_INET
            ? static_cast<const void*>(
                  &reinterpret_cast<sockaddr_in*>(node->ai_addr)->sin_addr)
            : static_cast<const void*>(
                  &reinterpret_cast<sockaddr_in6*>(node->ai_addr)->sin6_addr);
    if (inet_ntop(node->ai_family, address, text, sizeof text) != nullptr) {
      answer.addresses.insert(text);
    }
  }
  ares_freeaddrinfo(info);
}

struct DestroyChannel {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};

// Waits for one of the channel's sockets, or its own timeout, and works on it.
void Turn(ares_channel channel, absl::Duration most) {
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  const int wanted = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
  pollfd polled[ARES_GETSOCK_MAXNUM];
  nfds_t count = 0;
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
    if (events != 0) polled[count++] = {sockets[i], events, 0};
  }
  timeval limit = absl::ToTimeval(most);
  timeval storage;
  const timeval* next = ares_timeout(channel, &limit, &storage);
  poll(polled, count,
       static_cast<int>(next->tv_sec * 1000 + next->tv_usec / 1000 + 1));
  bool any = false;
  for (nfds_t i = 0; i < count; ++i) {
    if (polled[i].revents == 0) continue;
    any = true;
    const bool in = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
    const bool out = (polled[i].revents & POLLOUT) != 0;
    ares_process_fd(channel, in ? polled[i].fd : ARES_SOCKET_BAD,
                    out ? polled[i].fd : ARES_SOCKET_BAD);
  }
  if (!any) ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveAll(const std::string& name,
                                                    absl::Duration timeout) {
  static const int ready = ares_library_init(ARES_LIB_INIT_ALL);
  ares_channel raw = nullptr;
  if (ready != ARES_SUCCESS || ares_init(&raw) != ARES_SUCCESS) {
    return absl::InternalError("cannot ask for names: c-ares does not start");
  }
  const std::unique_ptr<ares_channeldata, DestroyChannel> channel(raw);
  // Outlives the channel's destruction, which answers what is still open.
  static thread_local Answer answer;
  answer = Answer();
  ares_addrinfo_hints hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel.get(), name.c_str(), nullptr, &hints, TakeAnswer,
                   &answer);
  const absl::Time end = SteadyNow() + timeout;
  while (!answer.done) {
    const absl::Duration left = end - SteadyNow();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat("no name server answered for ", name, " in time"));
    }
    Turn(channel.get(), left);
  }
  if (answer.status == ARES_ENOTFOUND || answer.status == ARES_ENODATA ||
      (answer.status == ARES_SUCCESS && answer.addresses.empty())) {
    return absl::NotFoundError(
        absl::StrCat("the name ", name, " has no address"));
  }
  if (answer.status != ARES_SUCCESS) {
    return absl::UnavailableError(absl::StrCat("cannot look up ", name, ": ",
                                               ares_strerror(answer.status)));
  }
  return std::vector<std::string>(answer.addresses.begin(),
                                  answer.addresses.end());
}

}  // namespace specula
