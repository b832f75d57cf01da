#include "agent/border/relay.h"

#include <malloc.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kReadBytesOfMany = 64 << 10;
constexpr size_t kMany = 128;  // connections
// What gRPC's side of a pair may hold; the kernel's default makes two wake-ups
// of one large answer.
constexpr int kPairBytes = 400 << 10;
// Answers of TLS itself and what gRPC sent; more is not read for it.
constexpr size_t kMostToTcp = 256 << 10;

// Memory is given back when this much has moved, and it is calm again: next to
// nothing has for a while. It takes milliseconds, and what is needed again
// right away costs as much once more.
constexpr size_t kWorkBytes = 4 << 20;
constexpr absl::Duration kCalm = absl::Seconds(2);
constexpr size_t kCalmBytes = 128 << 10;
// What a connection's end counts as: what its buffers and gRPC's have held.
constexpr size_t kWorkOfEnd = 128 << 10;
constexpr size_t kMostIdleAccounts = 1024;

bool IsTransient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Relay::Link::Link(Admitted admitted, std::string given_name, UniqueFd end,
                  std::shared_ptr<Account> shared)
    : tcp(std::move(admitted.tcp)),
      pair(std::move(end)),
      tls(std::move(admitted.tls)),
      name(std::move(given_name)),
      peer(std::move(admitted.peer)),
      place(std::move(admitted.place)),
      account(std::move(shared)),
      meter(account->allowance),
      to_pair(std::move(admitted.plain)),
      to_tcp(std::move(admitted.to_tcp)) {}

Relay::Relay(Peers& peers, OnCut cut, const RelayLimits& limits)
    : peers_(peers),
      cut_(std::move(cut)),
      limits_(limits),
      buffer_(new char[kReadBytes]) {}

Relay::~Relay() { Stop(); }

absl::Status Relay::Start() {
  RETURN_IF_ERROR(poller_.Open());
  poller_.Start(*this);
  return absl::OkStatus();
}

void Relay::Stop(absl::Duration patience) {
  const absl::Duration end = MonotonicNow() + patience;
  while (peers_.size() > 0 && MonotonicNow() < end)
    absl::SleepFor(absl::Milliseconds(2));
  poller_.Stop();
  for (auto& [id, link] : links_) peers_.Remove(link->name);
  links_.clear();
}

absl::StatusOr<UniqueFd> Relay::Take(Admitted admitted) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                 ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  UniqueFd ours(ends[0]);
  UniqueFd grpcs(ends[1]);
  for (const int end : ends) {
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kPairBytes, sizeof kPairBytes);
  }
  const std::string name = peers_.NewName();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name.data(), name.size());
  // What gRPC takes for the peer's address, by which the call is known to be
  // of this connection. It does not listen, so nothing can connect to it.
  if (bind(ours.get(), reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                  name.size())) != 0) {
    return absl::ErrnoToStatus(errno, "bind of a socket pair");
  }
  peers_.Add(name, admitted.peer);
  auto held = std::make_shared<std::pair<Admitted, UniqueFd>>(
      std::move(admitted), std::move(ours));
  poller_.Post([this, held, name] {
    Admitted taken = std::move(held->first);
    const Peer& peer = *taken.peer;
    const std::string key =
        peer.caller == nullptr
            ? absl::StrCat("from ", taken.place->source())
            : absl::StrCat(peer.caller->authority, "/", peer.caller->serial);
    std::shared_ptr<Account> account = AccountOf(key, taken.limits);
    Begin(std::make_unique<Link>(std::move(taken), name,
                                 std::move(held->second), std::move(account)));
  });
  return grpcs;
}

std::shared_ptr<Relay::Account> Relay::AccountOf(const std::string& key,
                                                 const FrameLimits& limits) {
  std::shared_ptr<Account>& account = accounts_[key];
  if (account == nullptr) account = std::make_shared<Account>(limits);
  return account;
}

void Relay::Begin(std::unique_ptr<Link> link) {
  const uint64_t id = next_id_++;
  Link& begun = *link;
  by_name_.emplace(begun.name, id);
  links_.emplace(id, std::move(link));
  if (!poller_.Add(begun.tcp.get(), id << 1, 0) ||
      !poller_.Add(begun.pair.get(), id << 1 | 1, 0)) {
    return Drop(id, begun);
  }
  if (ToPair(id, begun, "")) Listen(id, begun);
}

void Relay::OnReady(uint64_t key, uint32_t events) {
  const uint64_t id = key >> 1;
  const bool of_pair = (key & 1) != 0;
  auto found = links_.find(id);
  if (found == links_.end()) return;  // went in this turn
  Link& link = *found->second;
  const bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if (of_pair) {
    if ((events & EPOLLOUT) != 0 && !ToPair(id, link, "")) return;
    // Behind what waits for the network nothing is read, and an end is one only
    // after all before it.
    if (((events & EPOLLIN) != 0 || ended) && link.to_tcp.empty() &&
        !FromPair(id, link)) {
      return;
    }
    // epoll reports an end again and again, whatever is asked for.
    if (ended && !link.to_tcp.empty() && !link.pair_hung) {
      link.pair_hung = true;
      poller_.Remove(link.pair.get());
    }
  } else {
    if ((events & EPOLLERR) != 0 ||
        ((events & EPOLLHUP) != 0 && (events & EPOLLIN) == 0)) {
      return Drop(id, link);  // reset, or both directions are shut
    }
    if ((events & EPOLLOUT) != 0 && !ToTcp(id, link, "")) return;
    if ((events & EPOLLIN) != 0 && !FromTcp(id, link)) return;
    while (link.pair_hung && link.to_tcp.empty()) {
      if (!FromPair(id, link)) return;
    }
  }
  Listen(id, link);
}

bool Relay::FromTcp(uint64_t id, Link& link) {
  if (link.state != State::kOpen || !link.to_pair.empty()) return true;
  const size_t most = links_.size() > kMany ? kReadBytesOfMany : kReadBytes;
  const ssize_t got = recv(link.tcp.get(), buffer_.get(), most, 0);
  if (got < 0) {
    if (IsTransient(errno)) return true;
    Drop(id, link);
    return false;
  }
  absl::string_view fresh(buffer_.get(), static_cast<size_t>(got));
  NoteWork(fresh.size());
  if (fresh.empty()) link.state = State::kCallerEnded;
  if (link.tls != nullptr && !fresh.empty()) {
    plain_.clear();
    const bool could_send = link.to_tcp.empty();
    const TlsSession::Incoming incoming =
        link.tls->Read(fresh, plain_, link.to_tcp);
    if (incoming == TlsSession::Incoming::kBroken) {
      CutLink(id, link, absl::InvalidArgumentError("its TLS is broken"));
      return false;
    }
    if (incoming == TlsSession::Incoming::kEnd)
      link.state = State::kCallerEnded;
    if (could_send && !link.to_tcp.empty() && !ToTcp(id, link, ""))
      return false;
    fresh = plain_;
  }
  return ToPair(id, link, fresh);
}

// What `to_pair` holds goes before what is fresh. In the end all that the meter
// lets pass is with gRPC or in the first `metered` bytes of to_pair.
bool Relay::ToPair(uint64_t id, Link& link, absl::string_view fresh) {
  if (!link.to_pair.empty()) {
    link.to_pair.append(fresh.data(), fresh.size());
    fresh = link.to_pair;
  }
  const bool kept = !link.to_pair.empty();
  if (link.metered < fresh.size()) {
    const absl::Duration now = MonotonicNow();
    FrameMeter::Passed passed =
        link.meter.FromCaller(fresh.substr(link.metered), now);
    if (!passed.cut.empty()) {
      CutLink(id, link, absl::InvalidArgumentError(passed.cut));
      return false;
    }
    link.metered += passed.bytes;
    if (!Count(id, link)) return false;
    if (passed.wait > absl::ZeroDuration()) {
      if (link.waits_since == absl::InfiniteDuration()) link.waits_since = now;
      if (now - link.waits_since > limits_.longest_wait) {
        CutLink(id, link,
                absl::ResourceExhaustedError(
                    "it goes on sending more frames than a caller may"));
        return false;
      }
      link.retry_at = now + passed.wait;
      waiting_.insert(id);
    } else if (link.retry_at != absl::InfiniteDuration()) {
      link.retry_at = link.waits_since = absl::InfiniteDuration();
      waiting_.erase(id);
    }
  }
  size_t written = 0;
  while (written < link.metered) {
    const ssize_t put = send(link.pair.get(), fresh.data() + written,
                             link.metered - written, MSG_NOSIGNAL);
    if (put > 0) {
      written += static_cast<size_t>(put);
      continue;
    }
    if (put < 0 && IsTransient(errno)) break;
    // gRPC does not read any more; what it wrote before comes from the pair.
    written = link.metered;
    break;
  }
  link.metered -= written;
  fresh.remove_prefix(written);
  if (kept) {
    link.to_pair.erase(0, written);
    if (link.to_pair.empty()) std::string().swap(link.to_pair);
  } else {
    link.to_pair.assign(fresh.data(), fresh.size());
  }
  if (link.state == State::kCallerEnded && link.to_pair.empty() &&
      !link.end_told) {
    link.end_told = true;
    shutdown(link.pair.get(), SHUT_WR);
  }
  return true;
}

bool Relay::FromPair(uint64_t id, Link& link) {
  if (link.state == State::kWeEnded) return true;
  const size_t most = links_.size() > kMany ? kReadBytesOfMany : kReadBytes;
  const ssize_t got = recv(link.pair.get(), buffer_.get(), most, 0);
  if (got < 0 && IsTransient(errno)) return true;
  wire_.clear();
  if (got <= 0) {
    link.state = State::kWeEnded;
    if (link.tls != nullptr) link.tls->End(wire_);
    return ToTcp(id, link, wire_);
  }
  const absl::string_view fresh(buffer_.get(), static_cast<size_t>(got));
  NoteWork(fresh.size());
  link.meter.ToCaller(fresh);
  if (!Count(id, link)) return false;
  if (link.tls == nullptr) return ToTcp(id, link, fresh);
  if (link.tls->Write(fresh, wire_)) return ToTcp(id, link, wire_);
  Drop(id, link);
  return false;
}

// What `to_tcp` holds goes before what is fresh; what the socket does not take
// stays in it.
bool Relay::ToTcp(uint64_t id, Link& link, absl::string_view fresh) {
  const bool kept = !link.to_tcp.empty();
  if (kept) {
    link.to_tcp.append(fresh.data(), fresh.size());
    fresh = link.to_tcp;
  }
  size_t written = 0;
  while (written < fresh.size()) {
    const ssize_t put = send(link.tcp.get(), fresh.data() + written,
                             fresh.size() - written, MSG_NOSIGNAL);
    if (put > 0) {
      written += static_cast<size_t>(put);
      continue;
    }
    if (put < 0 && IsTransient(errno)) break;
    Drop(id, link);
    return false;
  }
  if (!kept) {
    link.to_tcp.assign(fresh.data() + written, fresh.size() - written);
  } else if (written < fresh.size()) {
    link.to_tcp.erase(0, written);
  } else {
    std::string().swap(link.to_tcp);  // an idle connection owns no buffer
  }
  if (link.state == State::kWeEnded && link.to_tcp.empty()) {
    shutdown(link.tcp.get(), SHUT_WR);
    Drop(id, link);
    return false;
  }
  return true;
}

// Keeps the sums of what callers make gRPC keep, and their limits.
bool Relay::Count(uint64_t id, Link& link) {
  const size_t streams = link.meter.open_streams();
  const size_t unfinished = link.meter.unfinished_bytes();
  link.account->streams += streams - link.streams;
  link.streams = streams;
  unfinished_bytes_ += unfinished - link.unfinished_bytes;
  link.unfinished_bytes = unfinished;
  if (link.account->streams > limits_.streams_per_caller) {
    CutLink(id, link,
            absl::ResourceExhaustedError(
                absl::StrCat("its caller has more than ",
                             limits_.streams_per_caller, " calls open")));
    return false;
  }
  if (unfinished_bytes_ > limits_.unfinished_bytes) {
    CutLargest();
    return links_.contains(id);
  }
  return true;
}

void Relay::CutLargest() {
  auto largest = std::max_element(
      links_.begin(), links_.end(), [](const auto& a, const auto& b) {
        return a.second->unfinished_bytes < b.second->unfinished_bytes;
      });
  CutLink(largest->first, *largest->second,
          absl::ResourceExhaustedError(absl::StrCat(
              "it has begun requests of ", largest->second->unfinished_bytes,
              " bytes without an end")));
}

// Says to the poller what is waited for now: at the network for bytes unless
// some still wait for gRPC, and the other way round.
void Relay::Listen(uint64_t id, Link& link) {
  uint32_t tcp = 0;
  uint32_t pair = 0;
  if (link.state == State::kOpen && link.to_pair.empty() &&
      link.to_tcp.size() < kMostToTcp) {
    tcp |= EPOLLIN;
  }
  if (!link.to_tcp.empty()) tcp |= EPOLLOUT;
  if (link.state != State::kWeEnded && link.to_tcp.empty()) pair |= EPOLLIN;
  if (link.metered > 0) pair |= EPOLLOUT;
  if (tcp != link.tcp_events)
    poller_.Change(link.tcp.get(), id << 1, link.tcp_events = tcp);
  if (pair != link.pair_events && !link.pair_hung)
    poller_.Change(link.pair.get(), id << 1 | 1, link.pair_events = pair);
}

void Relay::Cut(const std::string& name, const absl::Status& why,
                absl::Duration delay) {
  poller_.Post([this, name, why, delay] {
    for (const Sentence& sentence : sentences_) {
      if (sentence.name == name) return;
    }
    sentences_.push_back({name, why, MonotonicNow() + delay});
  });
}

void Relay::CutLink(uint64_t id, Link& link, const absl::Status& why) {
  cut_(*link.peer, why);
  Drop(id, link);
}

void Relay::Drop(uint64_t id, Link& link) {
  peers_.Remove(link.name);
  by_name_.erase(link.name);
  waiting_.erase(id);
  link.account->streams -= link.streams;
  unfinished_bytes_ -= link.unfinished_bytes;
  links_.erase(id);  // with the sockets
  if (accounts_.size() > kMostIdleAccounts) DropIdleAccounts();
  NoteWork(kWorkOfEnd);
}

// An account outlives its connections while something of the allowance is used
// up, so that a new connection is no new allowance.
void Relay::DropIdleAccounts() {
  const absl::Duration now = MonotonicNow();
  for (auto account = accounts_.begin(); account != accounts_.end();) {
    const auto next = std::next(account);
    if (account->second.use_count() == 1 &&
        account->second->allowance.IsWhole(now)) {
      accounts_.erase(account);
    }
    account = next;
  }
}

void Relay::NoteWork(size_t bytes) {
  work_ += bytes;
  if (work_ >= kWorkBytes && give_back_at_ == absl::InfiniteDuration()) {
    give_back_at_ = MonotonicNow() + kCalm;
    work_ = 0;
  }
}

absl::Duration Relay::NextMoment() const {
  absl::Duration next = give_back_at_;
  for (uint64_t id : waiting_) next = std::min(next, links_.at(id)->retry_at);
  for (const Sentence& sentence : sentences_)
    next = std::min(next, sentence.at);
  return next;
}

void Relay::OnMoment() {
  const absl::Duration now = MonotonicNow();
  const std::vector<uint64_t> waiting(waiting_.begin(), waiting_.end());
  for (uint64_t id : waiting) {
    auto found = links_.find(id);
    if (found == links_.end() || found->second->retry_at > now) continue;
    Link& link = *found->second;
    if (ToPair(id, link, "")) Listen(id, link);
  }
  std::vector<Sentence> due;
  for (size_t i = 0; i < sentences_.size();) {
    if (sentences_[i].at > now) {
      ++i;
      continue;
    }
    due.push_back(std::move(sentences_[i]));
    sentences_[i] = std::move(sentences_.back());
    sentences_.pop_back();
  }
  for (const Sentence& sentence : due) {
    auto found = by_name_.find(sentence.name);
    if (found == by_name_.end()) continue;
    const uint64_t id = found->second;
    CutLink(id, *links_.at(id), sentence.why);
  }
  if (give_back_at_ <= now) {
    give_back_at_ = absl::InfiniteDuration();
    if (work_ > kCalmBytes) {
      give_back_at_ = now + kCalm;
    } else {
      malloc_trim(0);
      DropIdleAccounts();
    }
    work_ = 0;
  }
}

}  // namespace specula::agent
