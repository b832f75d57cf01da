#ifndef SPECULA_AGENT_BORDER_RELAY_H_
#define SPECULA_AGENT_BORDER_RELAY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/border/frame_meter.h"
#include "agent/border/peers.h"
#include "agent/border/places.h"
#include "agent/border/poller.h"
#include "agent/border/tls_session.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What all connections together, and all of one caller, may make gRPC keep.
struct RelayLimits {
  size_t streams_per_caller = 1024;
  size_t unfinished_bytes = size_t{128} << 20;
  // How long what a caller sends may wait because he is above a rate.
  absl::Duration longest_wait = absl::Seconds(5);
};

// A connection that was let in.
struct Admitted {
  UniqueFd tcp;
  std::unique_ptr<TlsSession> tls;  // null: without TLS
  std::string plain;                // what came with the end of the handshake
  std::string to_tcp;               // what of its own is not sent yet
  std::shared_ptr<const Peer> peer;
  std::unique_ptr<Places::Place> place;
  FrameLimits limits;
};

// Carries the bytes of all connections between the network and gRPC, which has
// the other end of a socket pair for each, and looks at the frames on the way
// (see FrameMeter). One thread does it all; nothing else happens on it.
//
// What one side does not take stays in the other's socket: at most 256 KiB of
// each direction are kept here.
class Relay final : private Poller::Client {
 public:
  // Told of each connection that is cut, on the relay's thread: whose it was
  // and why.
  using OnCut = std::function<void(const Peer& peer, const absl::Status& why)>;

  // `peers` must outlive it.
  Relay(Peers& peers, OnCut cut, const RelayLimits& limits = RelayLimits());
  ~Relay();

  absl::Status Start();

  // Waits until gRPC's last words are sent and all connections are closed, not
  // longer than `patience`; then ends what is left, and the thread. Does
  // nothing the second time.
  void Stop(absl::Duration patience = absl::ZeroDuration());

  // Takes a connection over and gives gRPC's end of it; its peer is known then
  // under a name that is gRPC's as well. RESOURCE_EXHAUSTED without
  // descriptors. Thread-safe.
  absl::StatusOr<UniqueFd> Take(Admitted admitted);

  // Cuts the connection with this name after `delay`, if it is still there.
  // Thread-safe.
  void Cut(const std::string& name, const absl::Status& why,
           absl::Duration delay);

 private:
  // A caller, whatever number of connections he has.
  struct Account {
    explicit Account(const FrameLimits& limits) : allowance(limits) {}
    FrameAllowance allowance;
    size_t streams = 0;
  };

  // What of a connection still moves.
  enum class State {
    kOpen,
    kCallerEnded,  // what came goes on to gRPC, then the end; answers go on
    kWeEnded,      // gRPC has closed it; what it wrote is still sent
  };

  struct Link {
    Link(Admitted admitted, std::string name, UniqueFd pair,
         std::shared_ptr<Account> account);

    State state = State::kOpen;
    UniqueFd tcp, pair;
    const std::unique_ptr<TlsSession> tls;
    const std::string name;
    const std::shared_ptr<const Peer> peer;
    const std::unique_ptr<Places::Place> place;
    const std::shared_ptr<Account> account;
    FrameMeter meter;
    std::string to_pair;  // plain; the first `metered` bytes may go on
    size_t metered = 0;
    std::string to_tcp;      // as it goes on the wire
    bool end_told = false;   // gRPC has seen the caller's end
    bool pair_hung = false;  // gRPC has closed, and what it wrote still waits
    uint32_t tcp_events = 0, pair_events = 0;
    // While a rate holds up to_pair: when to try again, and since when.
    absl::Duration retry_at = absl::InfiniteDuration();
    absl::Duration waits_since = absl::InfiniteDuration();
    // What it has in the sums.
    size_t streams = 0, unfinished_bytes = 0;
  };
  struct Sentence {
    std::string name;
    absl::Status why;
    absl::Duration at;
  };

  void OnReady(uint64_t key, uint32_t events) override;
  void OnMoment() override;
  absl::Duration NextMoment() const override;

  void Begin(std::unique_ptr<Link> link);
  std::shared_ptr<Account> AccountOf(const std::string& key,
                                     const FrameLimits& limits);

  // Each returns false if the link is gone.
  bool FromTcp(uint64_t id, Link& link);
  bool FromPair(uint64_t id, Link& link);
  bool ToPair(uint64_t id, Link& link, absl::string_view fresh);
  bool ToTcp(uint64_t id, Link& link, absl::string_view fresh);
  bool Count(uint64_t id, Link& link);
  void Listen(uint64_t id, Link& link);

  void CutLink(uint64_t id, Link& link, const absl::Status& why);
  void Drop(uint64_t id, Link& link);
  void CutLargest();
  void DropIdleAccounts();
  void NoteWork(size_t bytes);

  Peers& peers_;
  const OnCut cut_;
  const RelayLimits limits_;
  Poller poller_;
  // The relay's thread alone, from here on.
  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Link>> links_;
  absl::flat_hash_map<std::string, uint64_t> by_name_;
  absl::flat_hash_map<std::string, std::shared_ptr<Account>> accounts_;
  absl::flat_hash_set<uint64_t> waiting_;  // links with a retry_at
  std::vector<Sentence> sentences_;
  size_t unfinished_bytes_ = 0;  // of all
  const std::unique_ptr<char[]> buffer_;
  std::string plain_, wire_;  // scratches
  // What was done since memory was given back to the system.
  size_t work_ = 0;
  absl::Duration give_back_at_ = absl::InfiniteDuration();
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_RELAY_H_
