#ifndef SPECULA_SHIM_LISTENER_H_
#define SPECULA_SHIM_LISTENER_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/status/statusor.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/base/unique_fd.h"
#include "shim/material.h"
#include "shim/options.h"
#include "shim/session.h"

namespace specula::shim {

// What counts as one source: an IPv4 address, also in its IPv6 form, or the /64
// of an IPv6 address. Pure.
std::string SourceOf(const boost::asio::ip::address& address);

// The connections that are open, of all listeners. Loop thread only.
class Sessions {
 public:
  Sessions(int most, int most_of_source)
      : most_(most), most_of_source_(most_of_source) {}

  // Whether there is room for one more from `source`. Those who wait out a
  // failure give theirs up to a newcomer from the same source, who may have the
  // right token.
  bool HasRoom(const std::string& source);
  // Runs a session to its end.
  void Run(boost::asio::io_context& loop, std::shared_ptr<Session> session,
           const std::string& source);

  void DrainAll();
  // Runs `then` when none is open, perhaps at once.
  void WhenEmpty(std::function<void()> then);
  void AbortAll();
  int count() const { return count_; }

 private:
  // The oldest first. Never empty.
  using OfSource = std::list<std::shared_ptr<Session>>;

  const int most_;
  const int most_of_source_;
  int count_ = 0;
  std::map<std::string, OfSource> by_source_;
  std::function<void()> when_empty_;
};

// Owns a listening socket. What is beyond a cap is closed at once, so that the
// backlog never fills; without descriptors it sheds and goes on. Loop thread
// only.
class Listener {
 public:
  // Binds and listens; UNAVAILABLE with the address and the cause if it cannot.
  // `tls` holds what is to be used for connections to come; null: plain. All
  // must outlive it.
  static absl::StatusOr<std::unique_ptr<Listener>> Create(
      const ListenOptions& options, const Session::Context& context,
      Sessions& sessions, const TlsContext& tls);

  // Where it listens, with the real port.
  const HostPort& address() const { return address_; }

  void Start();
  void Stop();

 private:
  using Acceptor = boost::asio::ip::tcp::acceptor;
  Listener(Acceptor acceptor, HostPort address, ExecReply exec_reply,
           const Session::Context& context, Sessions& sessions,
           const TlsContext& tls);

  boost::asio::awaitable<void> Accept();
  void Take(boost::asio::ip::tcp::socket socket);
  void Shed();

  const HostPort address_;
  const ExecReply exec_reply_;
  const Session::Context context_;
  Sessions& sessions_;
  const TlsContext& tls_;
  Acceptor acceptor_;
  boost::asio::steady_timer pause_;
  UniqueFd reserve_;  // given up for a moment when descriptors are out
  LimitedLog sheds_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_LISTENER_H_
