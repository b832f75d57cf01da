#include "ctl/run_tail.h"

#include <atomic>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "clients/cpp/tail_call.h"
#include "ctl/command_options.h"
#include "ctl/exit_code.h"
#include "ctl/output_writer.h"
#include "ctl/views.h"
#include "lib/base/format.h"
#include "lib/base/output.h"

namespace specula::ctl {
namespace {

// Interrupted, nobody waits longer than this for a reader who sleeps.
constexpr absl::Duration kMostStuck = absl::Seconds(1);

// What gRPC's threads tell.
struct Progress {
  absl::Mutex mutex;
  std::optional<absl::Status> finished ABSL_GUARDED_BY(mutex);
  std::atomic<bool> begun = false;  // something has come
  // Set before Start, const from then on.
  std::shared_ptr<TailCall> call;
};

TailEvents Forward(const Target& target,
                   const std::shared_ptr<OutputWriter>& writer,
                   const std::shared_ptr<Progress>& progress,
                   std::function<void()> wake) {
  TailEvents events;
  events.data = [writer, progress](std::string bytes) {
    progress->begun = true;
    writer->Write(OutputWriter::Stream::kOutput, std::move(bytes),
                  [call = progress->call] { call->Continue(); });
  };
  events.event = [writer, progress, &target](const v1::TailEvent& event) {
    progress->begun = true;
    writer->Say(HostLine(target, TailEventText(event)),
                [call = progress->call] { call->Continue(); });
  };
  events.finished = [progress,
                     wake = std::move(wake)](const absl::Status& status) {
    absl::MutexLock lock(&progress->mutex);
    progress->finished = status;
    wake();
  };
  return events;
}

// Follows to the end, or to Ctrl-C. How the call ended; ok if it was we who
// ended it.
Ending Follow(const Target& target, const v1::TailRequest& request,
              absl::Duration answer_within, Interrupt& interrupt,
              const std::shared_ptr<OutputWriter>& writer) {
  auto progress = std::make_shared<Progress>();
  progress->call = TailCall::Create(
      target.client->channel(), request, {.answer_within = answer_within},
      Forward(target, writer, progress, interrupt.waker()));
  const std::shared_ptr<TailCall> call = progress->call;
  call->Start();
  bool ended_by_us = false;
  std::optional<absl::Status> finished;
  while (true) {
    {
      absl::MutexLock lock(&progress->mutex);
      finished = progress->finished;
    }
    if (finished.has_value()) break;
    if ((interrupt.interrupted() || !writer->status().ok()) && !ended_by_us) {
      ended_by_us = true;
      call->Cancel();  // ends at once, without the host
    }
    interrupt.Wait(absl::InfiniteDuration());
  }
  writer->Finish();
  while (!writer->idle()) {
    if (interrupt.interrupted() && writer->stuck_for() >= kMostStuck) {
      writer->Discard();
    }
    interrupt.Wait(kMostStuck / 4);
  }
  if (ended_by_us) return {};
  return ClassifyStream(*finished, progress->begun, target.endpoint);
}

}  // namespace

int RunTailOn(const std::vector<Target>& targets,
              const v1::TailRequest& request, const TailFleetOptions& options,
              Interrupt& interrupt) {
  if (targets.size() > 1 || options.keep) {
    return TailFleet(targets, request, options, interrupt);
  }
  const Target& target = targets.front();
  auto writer = std::make_shared<OutputWriter>(
      OutputWriter::Options{.raw = options.raw, .wake = interrupt.waker()});
  const Ending ending =
      Follow(target, request, options.answer_within, interrupt, writer);
  if (absl::IsCancelled(writer->status())) return kExitClosedPipe;
  if (!writer->status().ok()) {
    SayOfHost(target, writer->status().message());
    return kExitNoResult;
  }
  if (ending.outcome != Outcome::kOk) {
    if (writer->ends_in_line()) PrintErrorText("\n");
    SayOfHost(target, EndingText(ending));
    return kExitNoResult;
  }
  if (!interrupt.interrupted()) return kExitOk;
  // Following has no other end.
  return request.follow() ? kExitOk : kExitInterrupted;
}

absl::Status CheckTailPath(const std::string& path) {
  if (!path.empty() && path.front() == '/' && ToUtf8(path) == path) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "PATH: '", EscapeControls(path), "' is not absolute, or not UTF-8"));
}

}  // namespace specula::ctl
