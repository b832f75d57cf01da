#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "clients/cpp/tail_call.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/output_writer.h"
#include "ctl/tail_fleet.h"
#include "lib/base/format.h"
#include "re2/re2.h"

namespace specula::ctl {
namespace {

// Interrupted, nobody waits longer than this for a reader who sleeps.
constexpr absl::Duration kMostStuck = absl::Seconds(1);
// As a shell shows a program that died by SIGPIPE.
constexpr int kExitClosedPipe = 141;

struct TailOptions {
  // HOST PATH, or PATH alone with --hosts.
  std::string first;
  std::string second;
  int64_t lines = 10;
  bool follow = false;
  bool wait = false;
  bool raw = false;
  std::string grep;
};

// What gRPC's threads tell.
struct Progress {
  absl::Mutex mutex;
  std::optional<absl::Status> finished ABSL_GUARDED_BY(mutex);
  // Set before Start, const from then on.
  std::shared_ptr<TailCall> call;
};

TailEvents Forward(const Target& target,
                   const std::shared_ptr<OutputWriter>& writer,
                   const std::shared_ptr<Progress>& progress,
                   std::function<void()> wake) {
  TailEvents events;
  events.data = [writer, progress](std::string bytes) {
    writer->Write(OutputWriter::Stream::kOutput, std::move(bytes),
                  [call = progress->call] { call->Continue(); });
  };
  events.event = [writer, progress, &target](const v1::TailEvent& event) {
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

// Follows to the end, or to Ctrl-C. The status of the call, OK if it was we who
// ended it.
absl::Status Follow(const Target& target, const v1::TailRequest& request,
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
  return ended_by_us ? absl::OkStatus() : *finished;
}

int RunTail(const TailOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status usable = CheckNoFleetForm(context.options, "tail", false);
  if (!usable.ok()) return UsageError(usable);
  v1::TailRequest request;
  request.set_path(options.second.empty() ? options.first : options.second);
  if (request.path().empty() || request.path().front() != '/' ||
      ToUtf8(request.path()) != request.path()) {
    return UsageError(absl::InvalidArgumentError(
        absl::StrCat("PATH: '", EscapeControls(request.path()),
                     "' is not absolute, or not UTF-8")));
  }
  request.set_lines(options.lines);
  request.set_follow(options.follow);
  request.set_wait_for_file(options.wait);
  const RE2 pattern(options.grep, RE2::Quiet);
  if (!pattern.ok()) {
    return UsageError(absl::InvalidArgumentError(
        absl::StrCat("--grep: ", EscapeControls(pattern.error()))));
  }
  absl::StatusOr<std::vector<Target>> targets =
      OpenFleet(context.options, options.second.empty() ? "" : options.first);
  if (!targets.ok()) return UsageError(targets.status());
  if (targets->size() > 1 || !options.grep.empty()) {
    TailFleetOptions fleet;
    fleet.answer_within = absl::Seconds(context.options.timeout_seconds);
    fleet.raw = options.raw;
    if (!options.grep.empty()) {
      fleet.keep = [&pattern](absl::string_view line) {
        return RE2::PartialMatch(re2::StringPiece(line.data(), line.size()),
                                 pattern);
      };
    }
    return TailFleet(*targets, request, fleet, interrupt);
  }
  const Target& target = targets->front();
  auto writer = std::make_shared<OutputWriter>(
      OutputWriter::Options{.raw = options.raw, .wake = interrupt.waker()});
  const absl::Status status =
      Follow(target, request, absl::Seconds(context.options.timeout_seconds),
             interrupt, writer);
  if (absl::IsCancelled(writer->status())) return kExitClosedPipe;
  if (!writer->status().ok()) {
    SayOfHost(target, writer->status().message());
    return kExitNoResult;
  }
  if (!status.ok()) {
    if (writer->ends_in_line()) fputc('\n', stderr);
    SayOfHost(target, EndingText(ClassifyEnding(status, target.endpoint)));
    return kExitNoResult;
  }
  if (!interrupt.interrupted()) return kExitOk;
  // Following has no other end.
  return options.follow ? kExitOk : kExitInterrupted;
}

}  // namespace

void AddTailCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "tail", "The end of a file, and what is appended: tail [HOSTS] PATH");
  auto options = std::make_shared<TailOptions>();
  command
      ->add_option("HOSTS", options->first,
                   "Where; left out with --hosts, so that PATH comes first")
      ->required();
  command->add_option("PATH", options->second, "Absolute path on the host");
  command
      ->add_option("-n,--lines", options->lines, "How many of its last lines")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_flag("-f,--follow", options->follow,
                    "Go on with what is appended, across rotation");
  command->add_flag("--wait", options->wait,
                    "Wait for a file that is not there yet");
  command->add_option("--grep", options->grep,
                      "Only lines that this regular expression (RE2) matches");
  command->add_flag("--raw", options->raw,
                    "Let the file's bytes reach the terminal as they are");
  command->footer(
      "Of many hosts come whole lines, each with its host in front.\n"
      "What happens to the file (rotated, truncated, missing, …) is said on "
      "standard error.\n"
      "Exit code: 0, also when Ctrl-C ends a --follow; 255 no result, with the "
      "reason on\n"
      "standard error; 141 nobody read the output.");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      return RunTail(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
