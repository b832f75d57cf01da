#include "agent/front/call_audit.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"

namespace specula::agent {
namespace {

// Unique on this host: the clock parts the fronts, the count the calls of one.
std::string NextId() {
  static const std::string front =
      absl::StrCat(absl::Hex(absl::ToUnixMicros(absl::Now())), "-", getpid());
  static std::atomic<int64_t> count = 0;
  return absl::StrCat(front, "-", ++count);
}

void SetCaller(const Caller& caller, audit::Record& record) {
  record.caller = IdentityUri(caller.identity);
  record.role = caller.identity.role;
  record.serial = caller.serial;
}

}  // namespace

CallAudit::CallAudit(AuditQueue& queue, absl::string_view rpc,
                     const Caller& caller, absl::string_view on_behalf,
                     absl::string_view peer)
    : queue_(&queue), begin_(MonotonicNow()) {
  record_.id = NextId();
  record_.rpc = std::string(rpc);
  record_.on_behalf = std::string(on_behalf);
  record_.peer = std::string(peer);
  SetCaller(caller, record_);
}

void CallAudit::Started(const v1::Command& command, Done done) {
  audit::Record started = record_;
  started.shell = command.shell();
  started.argv.assign(command.argv().arguments().begin(),
                      command.argv().arguments().end());
  for (const auto& [name, value] : command.environment())
    started.env_names.push_back(name);
  started.cwd = command.working_directory();
  started.user = command.user();
  WriteStarted(std::move(started), std::move(done));
}

void CallAudit::Started(const v1::KillRequest& request, Done done) {
  record_.pid = request.pid();
  if (request.has_start_ticks()) record_.start_ticks = request.start_ticks();
  audit::Record started = record_;
  started.sent_signal = request.force()         ? SIGKILL
                        : request.signal() == 0 ? SIGTERM
                                                : request.signal();
  started.tree = request.tree();
  WriteStarted(std::move(started), std::move(done));
}

void CallAudit::TailStarted(absl::string_view path) {
  record_.path = std::string(path);
  audit::Record started = record_;
  started.stage = audit::Stage::kStarted;
  started_ = true;
  queue_->Append(std::move(started));
}

void CallAudit::WriteStarted(audit::Record started, Done done) {
  started.stage = audit::Stage::kStarted;
  queue_->AppendBefore(std::move(started), [this, done = std::move(done)](
                                               const absl::Status& status) {
    started_ = status.ok();
    done(started_ ? status
                  : absl::UnavailableError(absl::StrCat(
                        "refused, as the audit log of this host cannot be "
                        "written: ",
                        status.message())));
  });
}

void CallAudit::SetPid(int64_t pid, int64_t start_ticks) {
  record_.pid = pid;
  record_.start_ticks = start_ticks;
}

void CallAudit::SetLogPath(absl::string_view path) {
  record_.path = std::string(path);
}

void CallAudit::Exited(const v1::ExecExited& exited, int64_t sent_bytes) {
  audit::Record ended = record_;
  if (exited.outcome_case() == v1::ExecExited::kSignal) {
    ended.signal = exited.signal();
  } else {
    ended.exit_code = exited.code();
  }
  ended.drained = exited.drained();
  ended.timed_out = exited.timed_out();
  ended.truncated = exited.truncated();
  ended.killed_count = exited.killed_count();
  ended.status_code = absl::StatusCode::kOk;
  WriteEnded(std::move(ended), sent_bytes);
}

void CallAudit::Ended(const absl::Status& status, int64_t sent_bytes) {
  audit::Record ended = record_;
  ended.status_code = status.code();
  ended.error = std::string(status.message());
  WriteEnded(std::move(ended), sent_bytes);
}

void CallAudit::WriteEnded(audit::Record ended, int64_t sent_bytes) {
  if (!std::exchange(started_, false))
    return;  // what did not begin does not end
  ended.stage = audit::Stage::kEnded;
  ended.bytes_out = sent_bytes;
  ended.duration = MonotonicNow() - begin_;
  queue_->Append(std::move(ended));
}

void DenialAudit::Denied(absl::string_view rpc, const Caller* caller,
                         absl::string_view address, const absl::Status& why) {
  audit::Record record;
  record.stage = audit::Stage::kDenied;
  record.rpc = std::string(rpc);
  if (caller != nullptr) SetCaller(*caller, record);
  record.peer = std::string(address);
  record.status_code = why.code();
  record.error = std::string(why.message());
  if (!limiter_->Admit(record)) return;
  std::function<void()> failed;
  if (record.suppressed) {
    failed = [limiter = limiter_, suppressed = *record.suppressed] {
      limiter->Restore(suppressed);
    };
  }
  queue_.Append(std::move(record), std::move(failed));
}

}  // namespace specula::agent
