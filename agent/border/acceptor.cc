#include "agent/border/acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/border/socket.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr uint64_t kListener = 0;
constexpr int kAcceptsPerTurn = 64;
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(100);

// A chain of 32 KiB, and what TLS puts around it.
constexpr size_t kMostHandshakeBytes = 64 << 10;

// One who was refused may have sent more by then. Closing would reset the
// connection, and he would not read why.
constexpr absl::Duration kLeaveTime = absl::Seconds(1);

UniqueFd OpenReserve() {
  return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(
    const Options& options, Tls tls, Relay& relay, HandOver hand_over) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenOn(options.listen));
  std::unique_ptr<Acceptor> acceptor(new Acceptor(options, std::move(tls),
                                                  relay, std::move(hand_over),
                                                  std::move(listener)));
  RETURN_IF_ERROR(acceptor->poller_.Open());
  if (!acceptor->poller_.Add(acceptor->listener_.get(), kListener, EPOLLIN))
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  return acceptor;
}

Acceptor::Acceptor(const Options& options, Tls tls, Relay& relay,
                   HandOver hand_over, UniqueFd listener)
    : address_{options.listen.host, PortOf(listener.get())},
      options_(options),
      tls_(std::move(tls)),
      relay_(relay),
      hand_over_(std::move(hand_over)),
      places_(std::make_shared<Places>(options.limits)),
      listener_(std::move(listener)),
      reserve_(OpenReserve()) {}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Start() { poller_.Start(*this); }

void Acceptor::Stop() {
  poller_.Stop();
  listener_.Reset();
  pending_.clear();
  leaving_.clear();
}

void Acceptor::OnReady(uint64_t key, uint32_t) {
  if (key == kListener) return AcceptAll();
  if (auto pending = pending_.find(key); pending != pending_.end())
    return GoOn(pending);
  // Else it went in this turn.
  if (auto leaving = leaving_.find(key); leaving != leaving_.end())
    GoOnLeaving(leaving);
}

void Acceptor::AcceptAll() {
  // Bounded, so that a flood does not keep handshakes from going on.
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof peer;
    UniqueFd socket(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer),
                            &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      Take(std::move(socket), SourceOf(peer), AddressOf(peer));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
      Shed();
      poller_.Change(listener_.get(), kListener, 0);
      resume_at_ = MonotonicNow() + kPauseWithoutDescriptors;
      return;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // ECONNABORTED and the like are about that one connection.
  }
}

void Acceptor::Shed() {
  sheds_(LogLevel::kWarning, "no descriptors left; connections are closed");
  reserve_.Reset();
  UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  socket.Reset();
  reserve_ = OpenReserve();
}

bool Acceptor::MakeWay(Places::Free free, const std::string& source) {
  for (PendingMap* map : {&leaving_, &pending_}) {
    auto oldest = std::find_if(map->begin(), map->end(), [&](const auto& one) {
      return free == Places::Free::kNoneAtAll ||
             one.second.place->source() == source;
    });
    if (oldest == map->end()) continue;
    map->erase(oldest);
    return true;
  }
  return false;
}

void Acceptor::Take(UniqueFd socket, const std::string& source,
                    std::string address) {
  const Places::Free free = places_->Look(source);
  if (free != Places::Free::kYes) {
    const bool made = MakeWay(free, source);
    sheds_(LogLevel::kWarning,
           made ? "too many connections; the oldest handshake is ended"
                : "too many connections; one is closed",
           {{"source", source}});
    if (!made) return;
  }
  Pending pending;
  pending.tcp = std::move(socket);
  pending.place = std::make_unique<Places::Place>(places_, source);
  pending.address = std::move(address);
  if (tls_.context == nullptr) return LetIn(std::move(pending), "");

  absl::StatusOr<std::unique_ptr<TlsSession>> tls =
      TlsSession::Make(tls_.context(), tls_.judge);
  if (!tls.ok()) return;  // no memory: the socket is closed
  pending.tls = *std::move(tls);
  pending.deadline = MonotonicNow() + options_.handshake_timeout;
  const uint64_t id = next_id_++;
  if (!poller_.Add(pending.tcp.get(), id, EPOLLIN)) return;
  pending_.emplace(id, std::move(pending));
}

// False if it is broken.
bool Acceptor::Flush(Pending& pending, uint64_t id) {
  while (!pending.to_tcp.empty()) {
    const ssize_t put = send(pending.tcp.get(), pending.to_tcp.data(),
                             pending.to_tcp.size(), MSG_NOSIGNAL);
    if (put > 0) {
      pending.to_tcp.erase(0, static_cast<size_t>(put));
      if (pending.to_tcp.empty())
        poller_.Change(pending.tcp.get(), id, EPOLLIN);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      poller_.Change(pending.tcp.get(), id, EPOLLIN | EPOLLOUT);
      return true;
    }
    return false;
  }
  return true;
}

// At the head of the loop all that came was given to the session.
void Acceptor::GoOn(PendingMap::iterator place) {
  Pending& pending = place->second;
  if (!Flush(pending, place->first)) {
    pending_.erase(place);
    return;
  }
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = recv(pending.tcp.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      if (pending.received > 0) {
        Refuse(place, absl::PermissionDeniedError(
                          "the caller broke the handshake off"));
      } else {
        pending_.erase(place);  // a look whether the port is open
      }
      return;
    }
    pending.received += static_cast<size_t>(got);
    absl::string_view received(buffer, static_cast<size_t>(got));
    const TlsSession::Progress progress =
        pending.tls->Handshake(received, pending.to_tcp);
    if (!Flush(pending, place->first) &&
        progress != TlsSession::Progress::kFailed) {
      pending_.erase(place);
      return;
    }
    switch (progress) {
      case TlsSession::Progress::kMore:
        if (pending.received <= kMostHandshakeBytes) continue;
        return Refuse(place,
                      absl::PermissionDeniedError("the handshake is too long"));
      case TlsSession::Progress::kFailed:
        return Refuse(place, pending.tls->failure());
      case TlsSession::Progress::kDone: {
        // What came with it, and TLS may have to answer.
        std::string plain;
        if (pending.tls->Read(received, plain, pending.to_tcp) ==
                TlsSession::Incoming::kBroken ||
            !Flush(pending, place->first)) {
          pending_.erase(place);
          return;
        }
        poller_.Remove(pending.tcp.get());
        Pending in = std::move(pending);
        pending_.erase(place);
        return LetIn(std::move(in), std::move(plain));
      }
    }
  }
}

void Acceptor::LetIn(Pending pending, std::string plain) {
  auto peer = std::make_shared<const Peer>(
      Peer{pending.tls == nullptr ? nullptr : pending.tls->caller(),
           std::move(pending.address)});
  absl::StatusOr<UniqueFd> grpcs = relay_.Take(
      Admitted{std::move(pending.tcp), std::move(pending.tls), std::move(plain),
               std::move(pending.to_tcp), std::move(peer),
               std::move(pending.place), options_.frames});
  if (grpcs.ok()) return hand_over_(*std::move(grpcs));
  sheds_(LogLevel::kWarning, "a connection is closed",
         {{"reason", grpcs.status().message()}});
}

void Acceptor::Tell(const Pending& pending, const absl::Status& why) {
  refusals_(LogLevel::kWarning, "handshake refused",
            {{"peer", pending.address}, {"reason", why.message()}});
  tls_.refused(pending.address, why);
}

void Acceptor::Refuse(PendingMap::iterator place, const absl::Status& why) {
  Pending& pending = place->second;
  Tell(pending, why);
  Flush(pending, place->first);
  shutdown(pending.tcp.get(), SHUT_WR);
  const absl::Duration now = MonotonicNow();
  pending.deadline = now + kLeaveTime;
  if (leaving_.empty()) look_at_leaving_ = pending.deadline;
  leaving_.insert(pending_.extract(place));
}

void Acceptor::GoOnLeaving(PendingMap::iterator place) {
  char buffer[16 << 10];
  const ssize_t got = recv(place->second.tcp.get(), buffer, sizeof buffer, 0);
  if (got == 0 ||
      (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
    leaving_.erase(place);
  }
}

absl::Duration Acceptor::NextMoment() const {
  absl::Duration next = resume_at_;
  // All have the same time, so the oldest is the first whose time is over.
  if (!pending_.empty())
    next = std::min(next, pending_.begin()->second.deadline);
  return leaving_.empty() ? next : std::min(next, look_at_leaving_);
}

void Acceptor::EndLate(absl::Duration now) {
  // Invariant: those before the first are ended.
  while (!pending_.empty() && pending_.begin()->second.deadline <= now) {
    const Pending& late = pending_.begin()->second;
    if (late.received > 0) {
      Tell(late, absl::PermissionDeniedError("the handshake takes too long"));
    }
    pending_.erase(pending_.begin());
  }
}

void Acceptor::OnMoment() {
  const absl::Duration now = MonotonicNow();
  if (resume_at_ <= now) {
    resume_at_ = absl::InfiniteDuration();
    poller_.Change(listener_.get(), kListener, EPOLLIN);
  }
  EndLate(now);
  if (look_at_leaving_ > now) return;
  for (auto place = leaving_.begin(); place != leaving_.end();) {
    place = place->second.deadline <= now ? leaving_.erase(place)
                                          : std::next(place);
  }
  look_at_leaving_ =
      leaving_.empty() ? absl::InfiniteDuration() : now + kLeaveTime / 4;
}

}  // namespace specula::agent
