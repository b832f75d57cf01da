#ifndef SPECULA_AGENT_FRONT_AUDIT_QUEUE_H_
#define SPECULA_AGENT_FRONT_AUDIT_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/front/event_loop.h"
#include "lib/audit/record.h"
#include "lib/audit/writer.h"
#include "lib/base/slow_calls.h"

namespace specula::agent {

// Takes records to the audit log in the order of the calls, on a thread that
// may hang, so that a disk that does not answer holds up no one who has
// something to record. Thread-safe.
//
// At most 1,024 records wait. One more is lost; the next record that is written
// says how many were, in a record of stage kGap.
class AuditQueue {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // Where records go: the methods of an audit::Writer, which may block.
  struct Log {
    std::function<absl::Status(audit::Record)> append;
    std::function<void(int64_t count, absl::string_view why)> add_lost;
    std::function<absl::Status()> close;
  };
  static Log LogOf(std::shared_ptr<audit::Writer> writer);

  // `slow`, which needs the kinds of FrontSlowCalls, and `loop` must outlive
  // it.
  AuditQueue(Log log, SlowCalls& slow, EventLoop& loop);
  // Calls no `done` from then on.
  ~AuditQueue();
  AuditQueue(const AuditQueue&) = delete;

  // Writes what has happened, however long that takes. `failed` is called, on
  // any thread, if it cannot be written.
  void Append(audit::Record record, std::function<void()> failed = {});

  // Writes what is about to happen and calls `done`, on the loop: only after OK
  // may it happen. UNAVAILABLE: the log has not answered for a second. Then the
  // record is not written; one whose writing was under way, and which comes
  // through after all, is followed by one of stage kEnded that says so.
  void AppendBefore(audit::Record record, Done done);

  // Closes the log after all that waits. Blocks; UNAVAILABLE once `limit` is
  // over.
  absl::Status Close(absl::Duration limit);

  // Returns a sentence on what keeps records from being written; empty if
  // nothing does.
  std::string problem() const;

 private:
  struct Entry;
  struct State;

  void Start(std::shared_ptr<Entry> entry);

  SlowCalls& slow_;
  const std::shared_ptr<State> state_;  // shared with calls that hang
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_AUDIT_QUEUE_H_
