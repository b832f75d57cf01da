#include "ctl/tail_fleet.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/fleet.h"
#include "ctl/inbox.h"
#include "ctl/line_merger.h"
#include "ctl/output_writer.h"
#include "ctl/views.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Interrupted, nobody waits longer than this for a reader who sleeps.
constexpr absl::Duration kMostStuck = absl::Seconds(1);

// The merged text in the making. The thread of TailFleet only.
class Merged {
 public:
  Merged(const std::vector<Target>& targets, const TailFleetOptions& options,
         Interrupt& interrupt)
      : targets_(targets),
        calls_(targets.size()),
        begun_(targets.size()),
        open_(targets.size()),
        inbox_(std::make_shared<Inbox>(interrupt.waker())),
        // What hosts send is filtered before; the colours are our own.
        writer_({.raw = true, .wake = interrupt.waker()}),
        merger_(LabelsOf(targets),
                {.safe = !options.raw && isatty(STDOUT_FILENO) != 0,
                 .colours = WantsColours(),
                 .prefix = targets.size() > 1,
                 .keep = options.keep}) {}
  ~Merged() { inbox_->Close(); }

  void Begin(size_t host, const v1::TailRequest& request,
             absl::Duration answer_within);
  void Cancel();
  void Turn() {
    for (const std::function<void()>& act : inbox_->Take()) act();
  }

  bool over() const { return open_ == 0; }
  bool failed() const { return failed_; }
  OutputWriter& writer() { return writer_; }

 private:
  void OnData(size_t host, absl::string_view bytes);
  void OnFinished(size_t host, const absl::Status& status);

  const std::vector<Target>& targets_;
  std::vector<std::shared_ptr<TailCall>> calls_;
  std::vector<bool> begun_;  // something has come of this host
  size_t open_;
  bool failed_ = false;
  bool cancelled_ = false;
  const std::shared_ptr<Inbox> inbox_;
  OutputWriter writer_;
  LineMerger merger_;
};

void Merged::Begin(size_t host, const v1::TailRequest& request,
                   absl::Duration answer_within) {
  // Called by gRPC's threads, perhaps after this object has gone; what they
  // post runs only while it is there.
  TailEvents events;
  events.data = [this, inbox = inbox_, host](std::string bytes) {
    inbox->Post(
        [this, host, bytes = std::move(bytes)] { OnData(host, bytes); });
  };
  events.event = [this, inbox = inbox_, host](const v1::TailEvent& event) {
    inbox->Post([this, host, text = TailEventText(event)] {
      begun_[host] = true;
      writer_.Say(HostLine(targets_[host], text),
                  [call = calls_[host]] { call->Continue(); });
    });
  };
  events.finished = [this, inbox = inbox_, host](const absl::Status& status) {
    inbox->Post([this, host, status] { OnFinished(host, status); });
  };
  calls_[host] =
      TailCall::Create(targets_[host].client->channel(), request,
                       {.answer_within = answer_within}, std::move(events));
  calls_[host]->Start();
}

void Merged::Cancel() {
  if (std::exchange(cancelled_, true)) return;
  for (const std::shared_ptr<TailCall>& call : calls_) {
    if (call != nullptr) call->Cancel();
  }
}

void Merged::OnData(size_t host, absl::string_view bytes) {
  begun_[host] = true;
  auto taken = [call = calls_[host]] { call->Continue(); };
  std::string lines = merger_.Feed(host, OutputStream::kOutput, bytes);
  if (lines.empty()) {
    taken();
  } else {
    writer_.Write(OutputWriter::Stream::kOutput, std::move(lines), taken);
  }
}

void Merged::OnFinished(size_t host, const absl::Status& status) {
  --open_;
  std::string rest = merger_.Flush(host, OutputStream::kOutput);
  if (!rest.empty()) {
    writer_.Write(OutputWriter::Stream::kOutput, std::move(rest), nullptr);
  }
  if (status.ok() || cancelled_) return;
  failed_ = true;
  writer_.Say(HostLine(targets_[host],
                       EndingText(ClassifyStream(status, begun_[host],
                                                 targets_[host].endpoint))));
}

}  // namespace

std::string TailEventText(const v1::TailEvent& event) {
  switch (event.kind()) {
    case v1::TailEvent::KIND_ROTATED:
      return "rotated: the name stands for another file now";
    case v1::TailEvent::KIND_TRUNCATED:
      return "truncated: the file became shorter, on from its start";
    case v1::TailEvent::KIND_MISSING:
      return "missing: the file is gone";
    case v1::TailEvent::KIND_APPEARED:
      return "appeared: the file is there";
    case v1::TailEvent::KIND_SKIPPED:
      return absl::StrCat("skipped: ", FormatBytes(event.skipped_bytes()),
                          " were left out, as this reader is too slow");
    case v1::TailEvent::KIND_STALLED:
      return "stalled: the file system does not answer";
    case v1::TailEvent::KIND_ANSWERS:
      return "answers: the file system is back";
    case v1::TailEvent::KIND_LINES_CUT:
      return "cut: fewer lines than asked for, as they reach back too far; the "
             "first may be incomplete";
    default:
      return absl::StrCat("event ", static_cast<int>(event.kind()));
  }
}

int TailFleet(const std::vector<Target>& targets,
              const v1::TailRequest& request, const TailFleetOptions& options,
              Interrupt& interrupt) {
  Merged merged(targets, options, interrupt);
  for (size_t host = 0; host < targets.size(); ++host) {
    merged.Begin(host, request, options.answer_within);
  }
  OutputWriter& writer = merged.writer();
  while (true) {
    merged.Turn();
    if (merged.over()) break;
    if (interrupt.interrupted() || !writer.status().ok()) merged.Cancel();
    interrupt.Wait(absl::InfiniteDuration());
  }
  writer.Finish();
  while (!writer.idle()) {
    if (interrupt.interrupted() && writer.stuck_for() >= kMostStuck) {
      writer.Discard();
    }
    interrupt.Wait(kMostStuck / 4);
  }
  if (absl::IsCancelled(writer.status())) return kExitClosedPipe;
  if (!writer.status().ok()) {
    UsageError(writer.status());
    return kExitNoResult;
  }
  if (merged.failed()) return kExitNoResult;
  // Following has no other end.
  return interrupt.interrupted() && !request.follow() ? kExitInterrupted
                                                      : kExitOk;
}

}  // namespace specula::ctl
