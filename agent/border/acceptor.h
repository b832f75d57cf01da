#ifndef SPECULA_AGENT_BORDER_ACCEPTOR_H_
#define SPECULA_AGENT_BORDER_ACCEPTOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/border/frame_meter.h"
#include "agent/border/peers.h"
#include "agent/border/places.h"
#include "agent/border/poller.h"
#include "agent/border/relay.h"
#include "agent/border/tls_session.h"
#include "agent/border/trust.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Owns a listening socket and does the handshakes of its connections, on a
// thread of its own: they take most of what a stranger can make the agent do,
// and those who are in do not wait for them. A caller who is let in goes to the
// relay, and gRPC gets its end.
//
// gRPC's own listener goes deaf for ever after one EMFILE (CVE-2023-4785) and
// has no caps. What is beyond a cap is closed at once, so that the backlog
// never fills; but a handshake that is not done makes way for a newer one.
class Acceptor final : private Poller::Client {
 public:
  struct Options {
    HostPort listen;
    PlaceLimits limits;
    FrameLimits frames;
    // From accept to the end of the TLS handshake.
    absl::Duration handshake_timeout = absl::Seconds(10);
  };

  // The TLS of a port. Called on the acceptor's thread.
  struct Tls {
    // By what a handshake that begins now is done; never null.
    std::function<std::shared_ptr<const TlsContext>()> context;
    TlsSession::Judge judge;
    // Told of everyone who was not let in, though he sent something: his
    // address, and why.
    std::function<void(const std::string& address, const absl::Status& why)>
        refused;
  };

  // Takes gRPC's end of a connection over. Called on the acceptor's thread.
  using HandOver = std::function<void(UniqueFd)>;

  // Binds and listens; port 0 takes a free one. The host must be an IP address,
  // a resolvable name, or "*" or "" for all addresses. UNAVAILABLE with the
  // address and the cause ("address already in use") if it cannot. Without
  // `tls` everybody is let in. `relay` must outlive it.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      const Options& options, Tls tls, Relay& relay, HandOver hand_over);
  ~Acceptor();

  // Where it listens, with the real port.
  const HostPort& address() const { return address_; }

  void Start();

  // Closes the listening socket and what is not let in yet. Those who are in
  // stay. Does nothing the second time.
  void Stop();

 private:
  struct Pending {
    UniqueFd tcp;
    std::unique_ptr<Places::Place> place;
    std::unique_ptr<TlsSession> tls;
    std::string address;
    absl::Duration deadline;
    std::string to_tcp;
    size_t received = 0;
  };
  using PendingMap = std::map<uint64_t, Pending>;  // in the order of accept

  Acceptor(const Options& options, Tls tls, Relay& relay, HandOver hand_over,
           UniqueFd listener);

  void OnReady(uint64_t key, uint32_t events) override;
  void OnMoment() override;
  absl::Duration NextMoment() const override;

  void AcceptAll();
  void Take(UniqueFd socket, const std::string& source, std::string address);
  // Makes a place for one of `source`, by ending the oldest handshake that has
  // what is short. False if there is none.
  bool MakeWay(Places::Free free, const std::string& source);
  // Accepts and closes one connection when there are no descriptors left.
  void Shed();

  void GoOn(PendingMap::iterator pending);
  void GoOnLeaving(PendingMap::iterator pending);
  void EndLate(absl::Duration now);
  bool Flush(Pending& pending, uint64_t id);
  void LetIn(Pending pending, std::string plain);
  void Refuse(PendingMap::iterator pending, const absl::Status& why);
  void Tell(const Pending& pending, const absl::Status& why);

  const HostPort address_;
  const Options options_;
  const Tls tls_;
  Relay& relay_;
  const HandOver hand_over_;
  const std::shared_ptr<Places> places_;
  Poller poller_;
  // The acceptor's thread alone, from here on.
  UniqueFd listener_;
  // Given up for a moment to accept when descriptors are out.
  UniqueFd reserve_;
  absl::Duration resume_at_ = absl::InfiniteDuration();
  uint64_t next_id_ = 1;
  PendingMap pending_;  // in the handshake
  // Refused: the reason is sent, and what still comes is dropped for a while.
  PendingMap leaving_;
  absl::Duration look_at_leaving_ = absl::InfiniteDuration();
  LimitedLog sheds_, refusals_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_ACCEPTOR_H_
