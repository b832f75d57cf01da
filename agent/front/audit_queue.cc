#include "agent/front/audit_queue.h"

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "agent/slow_kinds.h"
#include "lib/base/log.h"

namespace specula::agent {
namespace {

constexpr char kKey[] = "audit";
constexpr int64_t kMostWaiting = 1024;
// Of these, kept for what has happened: what is about to happen can be refused.
constexpr int64_t kReserved = 256;

absl::Status NoAnswer() {
  return absl::UnavailableError("the audit log does not answer");
}

// What follows the record of a call that was refused before it was written.
audit::Record Refusal(const audit::Record& started) {
  audit::Record record;
  record.stage = audit::Stage::kEnded;
  record.id = started.id;
  record.rpc = started.rpc;
  record.caller = started.caller;
  record.on_behalf = started.on_behalf;
  record.role = started.role;
  record.serial = started.serial;
  record.peer = started.peer;
  record.pid = started.pid;
  record.start_ticks = started.start_ticks;
  record.status_code = absl::StatusCode::kUnavailable;
  record.error =
      "refused: the audit log did not answer in time; nothing was done";
  return record;
}

}  // namespace

// One record on its way. Its fate is decided once: by the thread that writes
// it, or by the limit.
struct AuditQueue::Entry {
  enum class Fate { kWaits, kBegun, kOver, kGivenUp };

  bool Move(Fate from, Fate to) {
    return fate.compare_exchange_strong(from, to);
  }

  audit::Record record;
  Done done;                     // of AppendBefore only
  std::function<void()> failed;  // of Append only
  std::atomic<Fate> fate = Fate::kWaits;
};

struct AuditQueue::State {
  State(Log the_log, EventLoop& the_loop)
      : log(std::move(the_log)), loop(&the_loop) {}

  // On the thread that may hang. A record that was given up before is not
  // begun; one that was given up meanwhile is taken back by the next.
  void Write(Entry& entry) ABSL_LOCKS_EXCLUDED(mutex) {
    using Fate = Entry::Fate;
    if (entry.Move(Fate::kWaits, Fate::kBegun)) {
      const audit::Record refusal =
          entry.done ? Refusal(entry.record) : audit::Record();
      absl::Status status = Append(std::move(entry.record));
      if (entry.Move(Fate::kBegun, Fate::kOver)) {
        Answer(entry, status);
      } else if (entry.done && status.ok()) {
        Append(refusal).IgnoreError();
      }
      if (!status.ok() && entry.failed) entry.failed();
    }
    --waiting;
  }

  // When the limit is over. What has happened goes on waiting.
  void GiveUp(Entry& entry) ABSL_LOCKS_EXCLUDED(mutex) {
    using Fate = Entry::Fate;
    if (entry.fate == Fate::kOver) return;
    if (!silent.exchange(true)) Say(LogLevel::kError, "does not answer");
    if (!entry.done) return;
    if (entry.Move(Fate::kWaits, Fate::kGivenUp)) {
      entry.record = {};
      Answer(entry, NoAnswer());
    } else if (entry.Move(Fate::kBegun, Fate::kGivenUp)) {
      Answer(entry, NoAnswer());
    }
  }

  void SayLost() {
    if (const int64_t count = lost.exchange(0); count > 0)
      log.add_lost(count, "too many records waited: the log did not answer");
  }

  const Log log;
  std::atomic<int64_t> waiting = 0;
  std::atomic<int64_t> lost = 0;
  std::atomic<bool> silent = false;  // a record has waited beyond the limit
  LimitedLog complaints;
  absl::Mutex mutex;
  EventLoop* loop ABSL_GUARDED_BY(mutex);    // null: its owner is gone
  absl::Status last ABSL_GUARDED_BY(mutex);  // how the last writing went

 private:
  absl::Status Append(audit::Record record) ABSL_LOCKS_EXCLUDED(mutex) {
    SayLost();
    absl::Status status = log.append(std::move(record));
    if (!status.ok()) {
      complaints(LogLevel::kError, "the audit log cannot be written",
                 {{"reason", status.message()}});
    }
    if (silent.exchange(false)) Say(LogLevel::kInfo, "answers again");
    absl::MutexLock lock(&mutex);
    last = status;
    return status;
  }

  static void Say(LogLevel level, absl::string_view what) {
    specula::Log(level, absl::StrCat("the audit log ", what));
  }

  // `done` stays until the entry goes: others ask whether there is one.
  void Answer(const Entry& entry, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex) {
    if (!entry.done) return;
    absl::MutexLock lock(&mutex);
    if (loop != nullptr)
      loop->Post([done = entry.done, status] { done(status); });
  }
};

AuditQueue::Log AuditQueue::LogOf(std::shared_ptr<audit::Writer> writer) {
  return {[writer](audit::Record record) {
            return writer->Append(std::move(record));
          },
          [writer](int64_t count, absl::string_view why) {
            writer->AddLost(count, why);
          },
          [writer] { return writer->Close(); }};
}

AuditQueue::AuditQueue(Log log, SlowCalls& slow, EventLoop& loop)
    : slow_(slow), state_(std::make_shared<State>(std::move(log), loop)) {}

AuditQueue::~AuditQueue() {
  absl::MutexLock lock(&state_->mutex);
  state_->loop = nullptr;
}

void AuditQueue::Start(std::shared_ptr<Entry> entry) {
  slow_.Start({kAuditLog, kKey,
               [state = state_, entry]() -> SlowCalls::Apply {
                 state->Write(*entry);
                 return {};
               }},
              [state = state_, entry] { state->GiveUp(*entry); });
}

void AuditQueue::Append(audit::Record record, std::function<void()> failed) {
  if (++state_->waiting > kMostWaiting) {
    --state_->waiting;
    ++state_->lost;
    state_->complaints(LogLevel::kError, "records of the audit log are lost",
                       {{"reason", NoAnswer().message()}});
    if (failed) failed();
    return;
  }
  auto entry = std::make_shared<Entry>();
  entry->record = std::move(record);
  entry->failed = std::move(failed);
  Start(std::move(entry));
}

void AuditQueue::AppendBefore(audit::Record record, Done done) {
  auto entry = std::make_shared<Entry>();
  entry->record = std::move(record);
  entry->done = std::move(done);
  if (++state_->waiting > kMostWaiting - kReserved) {
    --state_->waiting;
    state_->GiveUp(*entry);
    return;
  }
  Start(std::move(entry));
}

absl::Status AuditQueue::Close(absl::Duration limit) {
  struct End {
    absl::Notification come;
    absl::Status status;
  };
  auto end = std::make_shared<End>();
  slow_.Start({kAuditLog, kKey,
               [state = state_, end]() -> SlowCalls::Apply {
                 state->SayLost();
                 end->status = state->log.close();
                 end->come.Notify();
                 return {};
               }},
              {});
  if (!end->come.WaitForNotificationWithTimeout(limit)) return NoAnswer();
  return end->status;
}

std::string AuditQueue::problem() const {
  absl::Status status;
  if (state_->silent && state_->waiting > 0) {
    status = NoAnswer();
  } else {
    absl::MutexLock lock(&state_->mutex);
    status = state_->last;
  }
  if (status.ok()) return "";
  return absl::StrCat(status.message(), ": Exec, Start and Kill are refused");
}

}  // namespace specula::agent
