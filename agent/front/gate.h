#ifndef SPECULA_AGENT_FRONT_GATE_H_
#define SPECULA_AGENT_FRONT_GATE_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/border/peers.h"
#include "agent/border/trust.h"

namespace specula::agent {

// Whether a role may call the method with this path
// ("/specula.v1.Specula/Cpu"). A path without a row in the table of gate.cc is
// denied to everybody. PERMISSION_DENIED names the method and the role it
// takes. Pure.
absl::Status CheckMethod(absl::string_view path, Role role);

// Whether a caller of this role may act for `on_behalf`, which is empty if he
// does not say so. A shim must say it where something is changed or read, in at
// most 64 printable bytes; nobody else may. PERMISSION_DENIED otherwise. Pure.
absl::Status CheckOnBehalf(absl::string_view path, Role role,
                           absl::string_view on_behalf);

// Whether the method changes something on the host or reads its files: those
// that fail closed when the agent cannot tell whom it still trusts. Pure.
bool IsMutating(absl::string_view path);

// The one place where it is decided who may call what. Each handler begins with
// Admit, and what has no handler ends with it; gRPC's own health service has
// none but the connection, of which the caller is known to be anyone with a
// role. A test calls every method of the contract by a caller who may not.
// Thread-safe.
class Gate {
 public:
  using CurrentTrust = std::function<std::shared_ptr<const Trust>()>;

  // Told of every refusal: the method, who asked from where (null if that is
  // not known), why.
  using OnDenied = std::function<void(absl::string_view path, const Peer* peer,
                                      const absl::Status& why)>;

  // `current_trust` is asked at each call, from any thread; never gives null.
  // So is `denied`, which may be empty. `peers` must outlive the gate.
  Gate(const Peers& peers, CurrentTrust current_trust, OnDenied denied = {});

  // Who is at the other end of the connection `grpc_peer`
  // (ServerContext::peer), if he may call `path` now, for whom he says. Its
  // caller is not null.
  absl::StatusOr<std::shared_ptr<const Peer>> Admit(
      absl::string_view path, absl::string_view grpc_peer,
      absl::string_view on_behalf) const;

  // Whether a caller admitted before may go on, for open streams.
  absl::Status Recheck(const Caller& caller) const;

 private:
  absl::Status Judge(absl::string_view path, const Caller& caller,
                     absl::string_view on_behalf, const Trust& trust) const;

  const Peers& peers_;
  const CurrentTrust current_trust_;
  const OnDenied denied_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_GATE_H_
