#ifndef SPECULA_AGENT_FRONT_GATE_H_
#define SPECULA_AGENT_FRONT_GATE_H_

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/auth_metadata_processor.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/front/trust.h"

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

// The one place where it is decided who may call what. It stands before every
// handler, for known and unknown methods alike, as gRPC runs it on the headers
// of each call. Thread-safe.
class Gate {
 public:
  using CurrentTrust = std::function<std::shared_ptr<const Trust>()>;

  // Told of every refusal: the method, who asked (null if nobody is known),
  // why.
  using OnDenied = std::function<void(
      absl::string_view path, const Caller* caller, const absl::Status& why)>;

  // `current_trust` is asked at each call, from any thread; never gives null.
  // So is `denied`, which may be empty.
  explicit Gate(CurrentTrust current_trust, OnDenied denied = {});

  // The caller of a connection, if it may call `path` now, for whom it says.
  absl::StatusOr<std::shared_ptr<const Caller>> Admit(
      absl::string_view path, const grpc::AuthContext& context,
      absl::string_view on_behalf) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a caller admitted before may go on, for open streams.
  absl::Status Recheck(const Caller& caller) const;

  // What gRPC runs before every handler. Must not outlive the gate.
  std::shared_ptr<grpc::AuthMetadataProcessor> MakeProcessor();

 private:
  absl::StatusOr<std::shared_ptr<const Caller>> FindCaller(
      absl::string_view pem, const Trust& trust) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Judge(absl::string_view path, const Caller& caller,
                     absl::string_view on_behalf, const Trust& trust) const;

  const CurrentTrust current_trust_;
  const OnDenied denied_;
  absl::Mutex mutex_;
  // Parsing a certificate costs more than a whole call, so what was read from
  // one is kept; whether it is trusted is decided anew each time.
  absl::flat_hash_map<std::string, std::shared_ptr<const Caller>> callers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_GATE_H_
