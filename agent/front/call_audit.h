#ifndef SPECULA_AGENT_FRONT_CALL_AUDIT_H_
#define SPECULA_AGENT_FRONT_CALL_AUDIT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/border/trust.h"
#include "agent/front/audit_queue.h"
#include "lib/audit/limit.h"
#include "lib/audit/record.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// What the audit log says of one call: who asked for what, before it is done,
// and how it ended. Move-only; belongs to the call and, from Started on, to the
// loop thread.
class CallAudit {
 public:
  using Done = AuditQueue::Done;

  // `queue` must outlive it. `rpc` is the method's name, `on_behalf` for whom
  // the caller, a shim, says that it acts, `peer` the caller's address.
  CallAudit(AuditQueue& queue, absl::string_view rpc, const Caller& caller,
            absl::string_view on_behalf, absl::string_view peer);

  // Before the effect. Calls `done` on the loop, and must stay where it is
  // until then; UNAVAILABLE if it cannot be written: then it must not be done.
  void Started(const v1::Command& command, Done done);
  void Started(const v1::KillRequest& request, Done done);
  // Reading changes nothing: it goes on without a record if need be.
  void TailStarted(absl::string_view path);

  // What became known of the process.
  void SetPid(int64_t pid, int64_t start_ticks);
  void SetLogPath(absl::string_view path);

  // The end of a call, once: with the program's own end, or with a status.
  void Exited(const v1::ExecExited& exited, int64_t sent_bytes);
  void Ended(const absl::Status& status, int64_t sent_bytes);

 private:
  void WriteStarted(audit::Record started, Done done);
  void WriteEnded(audit::Record ended, int64_t sent_bytes);

  AuditQueue* queue_;
  audit::Record record_;  // what is the same in all records of the call
  absl::Duration begin_;
  bool started_ = false;
};

// Records that a caller was refused, by the gate or in the handshake, or that
// his connection was cut, and from where: of strangers, so only some of many
// alike (see audit::Limiter). Thread-safe.
class DenialAudit {
 public:
  // `queue` must outlive it.
  explicit DenialAudit(AuditQueue& queue)
      : queue_(queue), limiter_(std::make_shared<audit::Limiter>()) {}
  // `caller` may be null if it is not known, `address` empty.
  void Denied(absl::string_view rpc, const Caller* caller,
              absl::string_view address, const absl::Status& why);

 private:
  AuditQueue& queue_;
  const std::shared_ptr<audit::Limiter> limiter_;  // shared with the queue
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_CALL_AUDIT_H_
