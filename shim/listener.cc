#include "shim/listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::shim {
namespace {

using boost::asio::ip::tcp;

constexpr int kBacklog = 1024;
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(100);

// A peer that is gone without a word, cable and all, is found out in 30 s.
constexpr int kKeepaliveIdleSeconds = 15;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr int kKeepaliveCount = 3;

UniqueFd OpenReserve() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

absl::Status CannotListen(const HostPort& address,
                          const boost::system::error_code& error) {
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", FormatHostPort(address), ": ", error.message()));
}

absl::StatusOr<tcp::endpoint> Resolve(boost::asio::io_context& loop,
                                      const HostPort& address) {
  if (address.host.empty() || address.host == "*") {
    return tcp::endpoint(tcp::v6(), address.port);
  }
  boost::system::error_code error;
  tcp::resolver resolver(loop);
  const auto found = resolver.resolve(address.host, absl::StrCat(address.port),
                                      tcp::resolver::passive, error);
  if (error) return CannotListen(address, error);
  return found.begin()->endpoint();
}

void SetOptions(int fd) {
  const int on = 1;
  // Connections inherit all of them.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveIdleSeconds,
             sizeof kKeepaliveIdleSeconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveIntervalSeconds,
             sizeof kKeepaliveIntervalSeconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepaliveCount,
             sizeof kKeepaliveCount);
}

}  // namespace

std::string SourceOf(const boost::asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6)
        .to_string();
  }
  auto bytes = v6.to_bytes();
  for (size_t i = 8; i < bytes.size(); ++i) bytes[i] = 0;
  return absl::StrCat(boost::asio::ip::address_v6(bytes).to_string(), "/64");
}

bool Sessions::HasRoom(const std::string& source) {
  if (count_ >= most_) return false;
  const auto found = by_source_.find(source);
  if (found == by_source_.end() ||
      found->second.size() < static_cast<size_t>(most_of_source_)) {
    return true;
  }
  return std::any_of(found->second.begin(), found->second.end(),
                     [](const auto& session) { return session->GiveWay(); });
}

void Sessions::Run(boost::asio::io_context& loop,
                   std::shared_ptr<Session> session,
                   const std::string& source) {
  ++count_;
  OfSource& all = by_source_[source];
  const auto place = all.insert(all.end(), std::move(session));
  boost::asio::co_spawn(
      loop, [running = place->get()] { return running->Run(); },
      [this, source, place](const std::exception_ptr& error) {
        // What is thrown is a mistake of ours, and not the peer's.
        if (error) std::rethrow_exception(error);
        --count_;
        const auto found = by_source_.find(source);
        found->second.erase(place);
        if (found->second.empty()) by_source_.erase(found);
        if (count_ == 0 && when_empty_) when_empty_();
      });
}

void Sessions::DrainAll() {
  for (auto& [source, all] : by_source_) {
    for (const auto& session : all) session->Drain();
  }
}

void Sessions::AbortAll() {
  for (auto& [source, all] : by_source_) {
    for (const auto& session : all) session->Abort();
  }
}

void Sessions::WhenEmpty(std::function<void()> then) {
  when_empty_ = std::move(then);
  if (count_ == 0) when_empty_();
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Create(
    const ListenOptions& options, const Session::Context& context,
    Sessions& sessions, const TlsContext& tls) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint,
                   Resolve(context.loop, options.address));
  Acceptor acceptor(context.loop);
  boost::system::error_code error;
  boost::system::error_code ignored;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (endpoint.address().is_v6()) {
    acceptor.set_option(boost::asio::ip::v6_only(false), ignored);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (error) return CannotListen(options.address, error);
  fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  SetOptions(acceptor.native_handle());
  HostPort real{options.address.host, acceptor.local_endpoint().port()};
  return std::unique_ptr<Listener>(
      new Listener(std::move(acceptor), std::move(real), options.exec_reply,
                   context, sessions, tls));
}

Listener::Listener(Acceptor acceptor, HostPort address, ExecReply exec_reply,
                   const Session::Context& context, Sessions& sessions,
                   const TlsContext& tls)
    : address_(std::move(address)),
      exec_reply_(exec_reply),
      context_(context),
      sessions_(sessions),
      tls_(tls),
      acceptor_(std::move(acceptor)),
      pause_(context.loop),
      reserve_(OpenReserve()) {}

void Listener::Start() {
  boost::asio::co_spawn(
      context_.loop, [this] { return Accept(); }, boost::asio::detached);
}

void Listener::Stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

boost::asio::awaitable<void> Listener::Accept() {
  using boost::asio::redirect_error;
  using boost::asio::use_awaitable;
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(redirect_error(use_awaitable, error));
    if (!error) {
      Take(std::move(socket));
    } else if (error == boost::asio::error::no_descriptors ||
               error == boost::system::errc::too_many_files_open_in_system ||
               error == boost::asio::error::no_buffer_space ||
               error == boost::asio::error::no_memory) {
      Shed();
      pause_.expires_after(absl::ToChronoNanoseconds(kPauseWithoutDescriptors));
      co_await pause_.async_wait(redirect_error(use_awaitable, error));
    }
    // ECONNABORTED and the like are about that one connection.
  }
}

void Listener::Shed() {
  sheds_(LogLevel::kWarning, "no descriptors left; connections are closed");
  reserve_.Reset();
  UniqueFd socket(accept4(acceptor_.native_handle(), nullptr, nullptr,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
  socket.Reset();
  reserve_ = OpenReserve();
}

void Listener::Take(tcp::socket socket) {
  boost::system::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const std::string source = SourceOf(peer.address());
  if (!sessions_.HasRoom(source)) {
    sheds_(LogLevel::kWarning, "too many connections; one is closed",
           {{"source", source}, {"open", sessions_.count()}});
    return;
  }
  std::unique_ptr<Wire> wire = tls_ == nullptr
                                   ? MakePlainWire(std::move(socket))
                                   : MakeTlsWire(std::move(socket), *tls_);
  sessions_.Run(
      context_.loop,
      std::make_shared<Session>(context_, std::move(wire), source, exec_reply_),
      source);
}

}  // namespace specula::shim
