#include "agent/front/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "agent/front/socket.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(100);
constexpr absl::Duration kBudgetInterval = absl::Milliseconds(100);

UniqueFd OpenReserve() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(
    const HostPort& address, const AcceptorLimits& limits, EventLoop& loop,
    HandOver hand_over) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenOn(address));
  UniqueFd ends(epoll_create1(EPOLL_CLOEXEC));
  if (!ends.valid()) return absl::ErrnoToStatus(errno, "epoll_create1");
  HostPort real{address.host, PortOf(listener.get())};
  return std::unique_ptr<Acceptor>(
      new Acceptor(loop, std::move(listener), std::move(ends), std::move(real),
                   limits, std::move(hand_over)));
}

Acceptor::Acceptor(EventLoop& loop, UniqueFd listener, UniqueFd watch,
                   HostPort address, const AcceptorLimits& limits,
                   HandOver hand_over)
    : address_(std::move(address)),
      limits_(limits),
      hand_over_(std::move(hand_over)),
      listener_(loop.context(), listener.Release()),
      ends_(loop.context(), watch.Release()),
      pause_(loop.context()),
      budget_timer_(loop.context()),
      reserve_(OpenReserve()) {}

void Acceptor::Start() {
  WaitForConnections();
  WaitForEnds();
}

void Acceptor::Stop() {
  boost::system::error_code ignored;
  pause_.cancel();
  listener_.close(ignored);
}

void Acceptor::WaitForConnections() {
  listener_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (!error) AcceptAll();
                       });
}

void Acceptor::AcceptAll() {
  // Bounded, so that a flood does not keep the loop from its other work.
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof peer;
    UniqueFd socket(accept4(listener_.native_handle(),
                            reinterpret_cast<sockaddr*>(&peer), &length,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      Take(std::move(socket), SourceOf(peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
      Shed();
      pause_.expires_after(absl::ToChronoNanoseconds(kPauseWithoutDescriptors));
      pause_.async_wait([this](const boost::system::error_code& error) {
        if (!error) WaitForConnections();
      });
      return;
    }
    // ECONNABORTED and the like are about that one connection.
  }
  WaitForConnections();
}

void Acceptor::Shed() {
  sheds_(LogLevel::kWarning, "no descriptors left; connections are closed");
  reserve_.Reset();
  UniqueFd socket(
      accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
  socket.Reset();
  reserve_ = OpenReserve();
}

void Acceptor::Take(UniqueFd socket, const std::string& source) {
  int& from_source = per_source_[source];
  if (open_count() >= limits_.connections ||
      from_source >= limits_.connections_per_source) {
    sheds_(LogLevel::kWarning, "too many connections; one is closed",
           {{"source", source},
            {"open", open_count()},
            {"from_source", from_source}});
    if (from_source == 0) per_source_.erase(source);
    return;
  }
  UniqueFd duplicate(fcntl(socket.get(), F_DUPFD_CLOEXEC, 3));
  epoll_event event = {};
  event.data.fd = duplicate.get();
  if (!duplicate.valid() || epoll_ctl(ends_.native_handle(), EPOLL_CTL_ADD,
                                      duplicate.get(), &event) != 0) {
    if (from_source == 0) per_source_.erase(source);
    return;  // no descriptors: the socket is closed
  }
  ++from_source;
  const int key = duplicate.get();
  connections_.emplace(key, Connection{std::move(duplicate), source, 0,
                                       TokenBucket(limits_.bytes_per_second,
                                                   limits_.burst_bytes)});
  if (!budget_timer_runs_) WatchBudgets();
  hand_over_(std::move(socket));
}

void Acceptor::WaitForEnds() {
  ends_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [this](const boost::system::error_code& error) {
                     if (error) return;
                     DropEnded();
                     WaitForEnds();
                   });
}

void Acceptor::DropEnded() {
  epoll_event events[64];
  int count = 0;
  while ((count = epoll_wait(ends_.native_handle(), events, std::size(events),
                             0)) > 0) {
    for (int i = 0; i < count; ++i) {
      auto connection = connections_.find(events[i].data.fd);
      if (connection == connections_.end()) continue;
      auto source = per_source_.find(connection->second.source);
      if (--source->second == 0) per_source_.erase(source);
      // Closing the last duplicate takes it out of the epoll instance, but gRPC
      // may still hold the other one.
      epoll_ctl(ends_.native_handle(), EPOLL_CTL_DEL, connection->first,
                nullptr);
      connections_.erase(connection);
    }
  }
}

void Acceptor::WatchBudgets() {
  budget_timer_runs_ = true;
  budget_timer_.expires_after(absl::ToChronoNanoseconds(kBudgetInterval));
  budget_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    budget_timer_runs_ = false;
    CheckBudgets();
    if (!connections_.empty()) WatchBudgets();
  });
}

void Acceptor::CheckBudgets() {
  const absl::Duration now = MonotonicNow();
  for (auto& [fd, connection] : connections_) {
    const uint64_t bytes = BytesReceived(fd);
    const uint64_t grown = bytes - connection.bytes_seen;
    connection.bytes_seen = bytes;
    if (grown == 0 || connection.budget.Take(static_cast<double>(grown), now))
      continue;
    cuts_(LogLevel::kWarning, "a connection sent too much and was cut",
          {{"source", connection.source}, {"bytes", bytes}});
    // gRPC sees the end of the stream and closes its duplicate.
    shutdown(fd, SHUT_RDWR);
  }
}

}  // namespace specula::agent
