#include "ctl/exec_session.h"

#include <signal.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/exit_code.h"
#include "ctl/patience.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/output.h"

namespace specula::ctl {
namespace {

// Interrupted, nobody waits longer than this for a reader who sleeps.
constexpr absl::Duration kMostStuck = absl::Seconds(1);
constexpr char kNoProof[] =
    "there is no proof that the remote process tree has ended";

}  // namespace

// What gRPC's threads tell.
struct ExecSession::Progress {
  absl::Mutex mutex;
  std::optional<v1::ExecStarted> started ABSL_GUARDED_BY(mutex);
  std::optional<v1::ExecExited> exited ABSL_GUARDED_BY(mutex);
  std::optional<absl::Status> finished ABSL_GUARDED_BY(mutex);
  std::optional<absl::Status> kill_answer ABSL_GUARDED_BY(mutex);
  // Set before Start, const from then on.
  std::shared_ptr<ExecCall> call;
};

ExecSession::ExecSession(const Target& target, Interrupt& interrupt,
                         Options options)
    : target_(target),
      interrupt_(interrupt),
      options_(options),
      wake_([first = interrupt.waker(), second = second_.waker()] {
        first();
        second();
      }),
      writer_(std::make_shared<OutputWriter>(
          OutputWriter::Options{.raw = options.raw, .wake = wake_})),
      progress_(std::make_shared<Progress>()) {}

ExecEvents ExecSession::Events() const {
  // Nothing here may belong to this object: it may leave before the call ends.
  auto forward = [writer = writer_,
                  progress = progress_](OutputWriter::Stream stream) {
    return [writer, progress, stream](std::string bytes) {
      writer->Write(stream, std::move(bytes),
                    [call = progress->call] { call->Continue(); });
    };
  };
  ExecEvents events;
  events.output = forward(OutputWriter::Stream::kOutput);
  events.error_output = forward(OutputWriter::Stream::kError);
  events.started = [progress = progress_,
                    wake = wake_](const v1::ExecStarted& started) {
    absl::MutexLock lock(&progress->mutex);
    progress->started = started;
    wake();
  };
  events.exited = [progress = progress_](const v1::ExecExited& exited) {
    absl::MutexLock lock(&progress->mutex);
    progress->exited = exited;
  };
  events.finished = [progress = progress_,
                     wake = wake_](const absl::Status& status) {
    absl::MutexLock lock(&progress->mutex);
    progress->finished = status;
    wake();
  };
  return events;
}

int ExecSession::Run(const v1::ExecRequest& request) {
  grace_ = GraceOf(request.command());
  call_ = ExecCall::Create(target_.client->channel(), request,
                           {.answer_within = options_.answer_within}, Events());
  progress_->call = call_;
  call_->Start();
  while (!Over()) {
    Interrupt& interrupt = interrupted_ ? second_ : interrupt_;
    const bool hit = interrupt.Wait(WaitLimit());
    if (hit && !std::exchange(interrupted_, true)) {
      OnFirstInterrupt();
    } else if (hit && !std::exchange(interrupted_twice_, true)) {
      OnSecondInterrupt();
    }
    Turn();
  }
  return Conclude();
}

bool ExecSession::Over() {
  {
    absl::MutexLock lock(&progress_->mutex);
    const bool given_up =
        phase_ == Phase::kLeaving && SteadyNow() >= phase_end_;
    if (!progress_->finished.has_value() && !given_up) return false;
  }
  FinishOutput();
  return writer_->idle();
}

void ExecSession::FinishOutput() {
  if (!std::exchange(output_finished_, true)) writer_->Finish();
}

void ExecSession::Turn() {
  if (!writer_->status().ok() && phase_ != Phase::kLeaving) {
    Leave(kAfterCancel, "");
  }
  std::optional<absl::Status> kill_answer;
  {
    absl::MutexLock lock(&progress_->mutex);
    kill_answer = std::exchange(progress_->kill_answer, std::nullopt);
  }
  if (kill_answer.has_value()) OnKillAnswer(*kill_answer);
  if (interrupted_ && writer_->stuck_for() >= kMostStuck) writer_->Discard();
  if (SteadyNow() >= phase_end_) OnPhaseOver();
}

void ExecSession::OnFirstInterrupt() {
  bool started = false;
  {
    absl::MutexLock lock(&progress_->mutex);
    if (progress_->exited.has_value() || progress_->finished.has_value()) {
      return;  // only our own output is left to be written
    }
    started = progress_->started.has_value();
  }
  if (!started) {
    Leave(kAfterCancel,
          "the host had not said yet that the command runs; if it does, it is "
          "being ended");
    return;
  }
  phase_ = Phase::kTerminating;
  phase_end_ = SteadyNow() + grace_ + kDrain;
  SendKill(/*force=*/false);
}

void ExecSession::OnSecondInterrupt() {
  writer_->Discard();
  Leave(kAfterCancel, absl::StrCat("left at once; ", kNoProof));
}

void ExecSession::OnPhaseOver() {
  switch (phase_) {
    case Phase::kRunning:
      break;
    case Phase::kTerminating:
      phase_ = Phase::kKilling;
      phase_end_ = SteadyNow() + kAfterKill;
      SendKill(/*force=*/true);
      break;
    case Phase::kKilling:
      Leave(
          kAfterCancel,
          absl::StrCat("the host did not report the end in time; ", kNoProof));
      break;
    case Phase::kLeaving:
      break;
  }
}

void ExecSession::OnKillAnswer(const absl::Status& status) {
  if (phase_ != Phase::kTerminating && phase_ != Phase::kKilling) return;
  // Without a program to be signalled it has ended already, and what is left
  // over of its tree is the agent's to end.
  if (status.ok() || absl::IsNotFound(status) ||
      absl::IsFailedPrecondition(status)) {
    return;
  }
  const Ending ending = ClassifyEnding(status, target_.endpoint);
  Leave(kAfterCancel,
        absl::StrCat("Kill was not to be had (", OutcomeName(ending.outcome),
                     ": ", ending.reason, "), so the call was cancelled; ",
                     kNoProof));
}

void ExecSession::SendKill(bool force) {
  v1::KillRequest request;
  {
    absl::MutexLock lock(&progress_->mutex);
    request.set_pid(progress_->started->pid());
    request.set_start_ticks(progress_->started->start_ticks());
  }
  request.set_signal(SIGTERM);
  request.set_force(force);
  request.set_tree(true);
  kills_.push_back(target_.client->Kill(
      request, options_.answer_within,
      [progress = progress_,
       wake = wake_](const absl::StatusOr<v1::KillResponse>& answer) {
        absl::MutexLock lock(&progress->mutex);
        progress->kill_answer = answer.status();
        wake();
      }));
}

void ExecSession::Leave(absl::Duration within, std::string why) {
  phase_ = Phase::kLeaving;
  phase_end_ = SteadyNow() + within;
  no_proof_ = std::move(why);
  call_->Cancel();
}

absl::Duration ExecSession::WaitLimit() const {
  absl::Duration limit = absl::InfiniteDuration();
  if (phase_end_ != absl::InfiniteFuture()) {
    limit = std::max(phase_end_ - SteadyNow(), absl::ZeroDuration());
  }
  // A reader who falls asleep wakes nobody.
  return interrupted_ ? std::min(limit, kMostStuck / 4) : limit;
}

std::string ExecSession::InterruptLine() const {
  absl::MutexLock lock(&progress_->mutex);
  if (progress_->exited.has_value()) {
    const CommandEnding ending = ClassifyCommand(
        &*progress_->exited, absl::OkStatus(), true, target_.endpoint);
    return absl::StrCat("interrupted: the remote process tree has ended (",
                        OutcomeWord(ending), ")");
  }
  if (!no_proof_.empty()) return absl::StrCat("interrupted: ", no_proof_);
  const CommandEnding ending =
      ClassifyCommand(nullptr, progress_->finished.value_or(absl::OkStatus()),
                      progress_->started.has_value(), target_.endpoint);
  return absl::StrCat("interrupted: ", OutcomeWord(ending), ": ", ending.reason,
                      progress_->started.has_value() ? "; " : "",
                      progress_->started.has_value() ? kNoProof : "");
}

int ExecSession::Conclude() {
  const absl::Status written = writer_->status();
  std::vector<std::string> lines;
  int exit_code = kExitOk;
  if (interrupted_) {
    lines.push_back(InterruptLine());
    exit_code = kExitInterrupted;
  } else if (absl::IsCancelled(written)) {
    exit_code = kExitClosedPipe;
  } else if (!written.ok()) {
    lines.emplace_back(written.message());
    exit_code = kExitNoResult;
  } else {
    absl::MutexLock lock(&progress_->mutex);
    const CommandEnding ending = ClassifyCommand(
        progress_->exited.has_value() ? &*progress_->exited : nullptr,
        progress_->finished.value_or(absl::OkStatus()),
        progress_->started.has_value(), target_.endpoint);
    // That a command exits with a code of its own is no news.
    if (ending.outcome == Outcome::kSignal || !ending.reason.empty()) {
      lines.push_back(absl::StrCat(OutcomeWord(ending),
                                   ending.reason.empty() ? "" : ": ",
                                   ending.reason));
    }
    lines.insert(lines.end(), ending.notes.begin(), ending.notes.end());
    exit_code = ending.exit_code;
  }
  for (const std::string& line : lines) {
    if (writer_->ends_in_line()) PrintErrorText("\n");
    SayOfHost(target_, line);
  }
  return exit_code;
}

}  // namespace specula::ctl
