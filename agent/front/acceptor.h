#ifndef SPECULA_AGENT_FRONT_ACCEPTOR_H_
#define SPECULA_AGENT_FRONT_ACCEPTOR_H_

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/front/event_loop.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/base/token_bucket.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What strangers may take from the agent before and after they have shown a
// certificate.
struct AcceptorLimits {
  int connections = 1024;
  int connections_per_source =
      256;  // an IPv4 address, or the /64 of an IPv6 one
  // What one connection may send. Callers send little; floods of HTTP/2 frames
  // (rapid reset, CONTINUATION), against which gRPC 1.51 has no defence, a lot.
  double bytes_per_second = 256 << 10;
  double burst_bytes = 2 << 20;
};

// Owns the listening socket. gRPC's own listener goes deaf for ever after one
// EMFILE (CVE-2023-4785) and has no caps, so connections are accepted here and
// handed over. What is beyond a cap is closed at once, so that the backlog
// never fills.
//
// Loop thread only, but for Listen, address() and the destructor, which needs
// Stop to have run or the loop to have ended.
class Acceptor {
 public:
  // Takes the connected socket over.
  using HandOver = std::function<void(UniqueFd)>;

  // Binds and listens; port 0 takes a free one. The host must be an IP address,
  // a resolvable name, or "*" or "" for all addresses. UNAVAILABLE with the
  // address and the cause ("address already in use") if it cannot.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      const HostPort& address, const AcceptorLimits& limits, EventLoop& loop,
      HandOver hand_over);

  // Where it listens, with the real port.
  const HostPort& address() const { return address_; }

  // Starts to accept.
  void Start();

  // Closes the listening socket. Connections stay.
  void Stop();

  // How many connections are open.
  int open_count() const { return static_cast<int>(connections_.size()); }

 private:
  struct Connection {
    UniqueFd socket;  // a duplicate: gRPC owns the other one
    std::string source;
    uint64_t bytes_seen = 0;
    TokenBucket budget;
  };

  Acceptor(EventLoop& loop, UniqueFd listener, UniqueFd watch, HostPort address,
           const AcceptorLimits& limits, HandOver hand_over);

  void WaitForConnections();
  void AcceptAll();
  void Take(UniqueFd socket, const std::string& source);
  // Accepts and closes one connection when there are no descriptors left.
  void Shed();
  void WaitForEnds();
  void DropEnded();
  void WatchBudgets();
  void CheckBudgets();

  const HostPort address_;
  const AcceptorLimits limits_;
  const HandOver hand_over_;
  boost::asio::posix::stream_descriptor listener_;
  // An epoll instance with all duplicates in it that wakes only when one has
  // ended, not when bytes arrive: those are gRPC's business.
  boost::asio::posix::stream_descriptor ends_;
  boost::asio::steady_timer pause_;
  boost::asio::steady_timer budget_timer_;
  bool budget_timer_runs_ = false;
  UniqueFd
      reserve_;  // given up for a moment to accept when descriptors are out
  absl::flat_hash_map<int, Connection>
      connections_;  // by descriptor of the duplicate
  absl::flat_hash_map<std::string, int> per_source_;
  LimitedLog sheds_, cuts_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_ACCEPTOR_H_
