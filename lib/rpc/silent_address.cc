#include "lib/rpc/silent_address.h"

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/rpc/connect_attempt.h"
#include "lib/rpc/dial_target.h"
#include "lib/rpc/resolve.h"

namespace specula {
namespace {

constexpr absl::Duration kSilent = absl::Milliseconds(250);
// While a connection is being made; while some channel has no connection; while
// all have one, which they may lose.
constexpr absl::Duration kShortTurn = absl::Milliseconds(50);
constexpr absl::Duration kTurn = absl::Milliseconds(125);
constexpr absl::Duration kLongTurn = absl::Seconds(1);
// gRPC has just resolved the name, so that an answer is near.
constexpr absl::Duration kMostResolving = absl::Milliseconds(500);

// A channel, and the race for the connection that it is making.
struct Watched {
  std::weak_ptr<grpc::Channel> channel;
  HostPort address;
  bool resolved = false;
  std::vector<std::string> addresses;     // none if there is but one
  std::map<std::string, UniqueFd> tries;  // ours, by address
  std::string winner;                     // which has accepted one of ours
};

class Watch {
 public:
  void Add(Watched watched) {
    absl::MutexLock lock(&mutex_);
    added_.push_back(std::move(watched));
    if (runs_) return;
    runs_ = true;
    std::thread([this] { Run(); }).detach();
  }

 private:
  void Run();
  // Looks after all channels once; says how long until the next time.
  absl::Duration Turn();
  // The attempts that are silent; notes those that may become so.
  std::vector<ConnectAttempt> Silent();
  static void Race(Watched& watched, const std::vector<ConnectAttempt>& silent);

  absl::Mutex mutex_;
  std::vector<Watched> added_ ABSL_GUARDED_BY(mutex_);
  bool runs_ ABSL_GUARDED_BY(mutex_) = false;
  // The thread's own.
  std::vector<Watched> watched_;
  std::map<uint64_t, absl::Duration> first_seen_;  // by inode
};

// Waits between turns, or for the first channel; every channel that lives is in
// `added_` or `watched_`.
void Watch::Run() {
  absl::Duration wait = absl::ZeroDuration();
  while (true) {
    {
      auto has_more = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return !added_.empty();
      };
      bool woken = false;
      {
        absl::MutexLock lock(&mutex_);
        woken = mutex_.AwaitWithTimeout(absl::Condition(&has_more), wait);
      }
      // A fleet's channels come one by one; none is silent yet.
      if (woken) absl::SleepFor(kTurn);
      absl::MutexLock lock(&mutex_);
      for (Watched& watched : added_) watched_.push_back(std::move(watched));
      added_.clear();
    }
    wait = Turn();
  }
}

absl::Duration Watch::Turn() {
  std::vector<Watched*> connecting;
  bool all_connected = true;
  // What is past in `watched_` lives, or is erased after the loop.
  for (Watched& watched : watched_) {
    const std::shared_ptr<grpc::Channel> channel = watched.channel.lock();
    if (channel == nullptr) continue;
    const grpc_connectivity_state state = channel->GetState(false);
    all_connected = all_connected && state == GRPC_CHANNEL_READY;
    if (state == GRPC_CHANNEL_CONNECTING) {
      connecting.push_back(&watched);
    } else if (watched.resolved) {
      watched.resolved = false;
      watched.addresses.clear();
      watched.tries.clear();
      watched.winner.clear();
    }
  }
  if (connecting.empty()) {
    first_seen_.clear();
  } else {
    const std::vector<ConnectAttempt> silent = Silent();
    for (Watched* watched : connecting) Race(*watched, silent);
  }
  std::erase_if(watched_, [](const Watched& watched) {
    return watched.channel.expired();
  });
  if (watched_.empty()) return absl::InfiniteDuration();
  if (!first_seen_.empty()) return kShortTurn;
  return all_connected ? kLongTurn : kTurn;
}

std::vector<ConnectAttempt> Watch::Silent() {
  const absl::Duration now = MonotonicNow();
  std::map<uint64_t, absl::Duration> seen;
  std::vector<ConnectAttempt> silent;
  for (ConnectAttempt& attempt : ListConnectAttempts()) {
    const auto known = first_seen_.find(attempt.inode);
    const absl::Duration first =
        known == first_seen_.end() ? now : known->second;
    seen[attempt.inode] = first;
    if (now - first >= kSilent) silent.push_back(std::move(attempt));
  }
  first_seen_ = std::move(seen);
  return silent;
}

// From turn to turn: not silent; resolved; `tries` under way; a winner, and
// what is silent beside it is ended.
void Watch::Race(Watched& watched, const std::vector<ConnectAttempt>& silent) {
  auto is_of_port = [&](const ConnectAttempt& attempt) {
    return attempt.peer.port == watched.address.port;
  };
  if (std::none_of(silent.begin(), silent.end(), is_of_port)) return;
  if (!watched.resolved) {
    watched.resolved = true;
    auto addresses = ResolveAll(watched.address.host, kMostResolving);
    if (addresses.ok() && addresses->size() > 1) {
      watched.addresses = *std::move(addresses);
    }
  }
  std::vector<const ConnectAttempt*> ours;
  for (const ConnectAttempt& attempt : silent) {
    if (is_of_port(attempt) &&
        std::count(watched.addresses.begin(), watched.addresses.end(),
                   attempt.peer.host) != 0) {
      ours.push_back(&attempt);
    }
  }
  if (ours.empty()) return;
  for (const std::string& address : watched.addresses) {
    if (!watched.winner.empty()) break;
    const bool is_silent = std::any_of(
        ours.begin(), ours.end(),
        [&](const ConnectAttempt* at) { return at->peer.host == address; });
    if (is_silent || watched.tries.count(address) != 0) continue;
    auto begun = BeginConnect({address, watched.address.port});
    watched.tries[address] = begun.ok() ? *std::move(begun) : UniqueFd();
  }
  for (const auto& [address, fd] : watched.tries) {
    if (fd.valid() && StateOfConnect(fd.get()) == ConnectState::kAnswered) {
      watched.winner = address;
    }
  }
  if (watched.winner.empty()) return;
  watched.tries.clear();
  for (const ConnectAttempt* attempt : ours) {
    if (attempt->peer.host != watched.winner) EndConnectAttempt(*attempt);
  }
}

}  // namespace

void PassSilentAddresses(const std::shared_ptr<grpc::Channel>& channel,
                         const HostPort& address) {
  if (!absl::StartsWith(DialTarget(address), "dns:")) return;
  static Watch& watch = *new Watch;  // its thread has no end
  watch.Add({channel, address, false, {}, {}, ""});
}

}  // namespace specula
