#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/batch.h"
#include "ctl/batch_report.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exec_session.h"
#include "ctl/preflight.h"
#include "ctl/roll.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Descriptors that are not for hosts: our own, files, gRPC's.
constexpr size_t kSpareDescriptors = 64;

struct ExecOptions {
  std::string hosts;
  CommandOptions command;
  bool raw = false;
  bool dry_run = false;
  // Only for a batch; not set is not the same as set to the default.
  std::optional<bool> fold;
  std::optional<bool> live;
  bool diff = false;
  std::string directory;
  size_t width = 0;
  std::string canary;
  std::string group;
  std::string most_failed;
};

// Whether it is said that the form of a batch is wanted, also for one host.
bool AsksForBatch(const ExecOptions& options, const FleetOptions& fleet) {
  return fleet.json || options.fold.has_value() || options.live.has_value() ||
         options.diff || !options.directory.empty();
}

absl::StatusOr<size_t> Share(absl::string_view flag, const std::string& text,
                             size_t total, size_t otherwise) {
  if (text.empty()) return otherwise;
  absl::StatusOr<size_t> share = ParseShare(text, total);
  if (share.ok()) return share;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ", share.status().message()));
}

absl::StatusOr<Roll::Options> MakeRoll(const ExecOptions& options,
                                       size_t total) {
  Roll::Options roll;
  roll.total = total;
  roll.width = options.width;
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    const size_t room =
        files.rlim_cur - std::min<size_t>(files.rlim_cur, kSpareDescriptors);
    if (total > room) {
      roll.width = std::min(roll.width == 0 ? total : roll.width,
                            std::max<size_t>(room, 1));
    }
  }
  ASSIGN_OR_RETURN(roll.canary, Share("--canary", options.canary, total, 0));
  ASSIGN_OR_RETURN(roll.group, Share("--batch", options.group, total, 0));
  // Who goes step by step wants to see each step well done.
  const bool by_steps = roll.canary > 0 || roll.group > 0;
  ASSIGN_OR_RETURN(roll.most_failed, Share("--max-fail", options.most_failed,
                                           total, by_steps ? 0 : SIZE_MAX));
  return roll;
}

int RunBatch(const ExecOptions& options, const FleetOptions& fleet_options,
             ClosedFleet& fleet, const v1::ExecRequest& request,
             Interrupt& interrupt) {
  absl::StatusOr<Roll::Options> roll = MakeRoll(options, fleet.targets.size());
  if (!roll.ok()) return UsageError(roll.status());
  const bool terminal = isatty(STDERR_FILENO) != 0 && !fleet_options.json;
  const bool fold = options.fold.value_or(true) || options.diff;
  const bool keys = terminal && isatty(STDIN_FILENO) != 0 &&
                    options.command.stdin_path != "-";
  BatchReport report(
      fleet.targets, interrupt,
      {.live = options.live.value_or(!fold || isatty(STDOUT_FILENO) != 0),
       .fold = fold,
       .diff = options.diff,
       .json = fleet_options.json,
       .raw = options.raw,
       .progress = terminal,
       .key_fd = keys ? STDIN_FILENO : -1,
       .directory = options.directory});
  if (absl::Status ready = report.Prepare(); !ready.ok()) {
    return UsageError(ready);
  }
  std::unique_ptr<Batch> batch;
  batch = std::make_unique<Batch>(
      fleet, interrupt,
      Batch::Options{
          .roll = *roll,
          .answer_within = absl::Seconds(fleet_options.timeout_seconds)},
      report.Events([&batch]() -> const Batch& { return *batch; }));
  batch->Run(request);
  return report.Conclude(*batch);
}

int RunExec(const ExecOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "exec", true);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  absl::StatusOr<ClosedFleet> fleet = LoadFleet(context.options, options.hosts);
  if (!fleet.ok()) return UsageError(fleet.status());
  v1::ExecRequest request;
  *request.mutable_command() = *std::move(command);
  if (options.dry_run) {
    return RunPreflight(*fleet, context.options, interrupt);
  }
  if (fleet->targets.size() > 1 || AsksForBatch(options, context.options)) {
    return RunBatch(options, context.options, *fleet, request, interrupt);
  }
  OpenTarget(fleet->targets.front(), fleet->credentials);
  ExecSession session(
      fleet->targets.front(), interrupt,
      {.answer_within = absl::Seconds(context.options.timeout_seconds),
       .raw = options.raw});
  return session.Run(request);
}

void DeclareBatchOptions(CLI::App* command, ExecOptions& options) {
  auto choice = [command](const char* flag, std::optional<bool>& chosen,
                          bool value, const char* help) {
    command->add_flag_callback(
        flag, [&chosen, value] { chosen = value; }, help);
  };
  choice("--fold", options.fold, true,
         "Show output that is the same once, at the end (default)");
  choice("--no-fold", options.fold, false, "Show live lines only");
  choice("--live", options.live, true,
         "Show lines with their host as they come (default on a terminal)");
  choice("--no-live", options.live, false, "Do not");
  command->add_flag("--diff", options.diff,
                    "Show what most hosts sent, and how the others differ");
  command->add_option("--out-dir", options.directory,
                      "A file for each host: DIR/HOST, and DIR/HOST.err");
  command->add_option("--width", options.width, "So many at a time (all)")
      ->check(CLI::Range(size_t{1}, size_t{1} << 31));
  command->add_option("--canary", options.canary,
                      "First so many alone (N or N%)");
  command->add_option("--batch", options.group,
                      "Then in groups of so many (N or N%)");
  command->add_option("--max-fail", options.most_failed,
                      "Begin no further one when more have failed (N or N%;\n"
                      "0 with --canary or --batch, else no limit)");
  command->add_flag("--dry-run", options.dry_run,
                    "Ask each host whether it could; nothing is run");
}

}  // namespace

void AddExecCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "exec", "Run a program on hosts: exec [HOSTS] [options] -- CMD ARG…");
  auto options = std::make_shared<ExecOptions>();
  command->add_option("HOSTS", options->hosts,
                      "Where, instead of --hosts: a host set, or an id as "
                      "'list' shows it");
  DeclareCommandOptions(command, options->command);
  DeclareExecOptions(command, options->command);
  command->add_flag("--raw", options->raw,
                    "Let the hosts' bytes reach the terminal as they are");
  DeclareBatchOptions(command, *options);
  command->footer(
      "One host: its output comes as it is written, byte by byte; a terminal "
      "gets text\n"
      "only. Exit code: that of the command; 128+n if it died by signal n; "
      "124 timed out;\n"
      "255 no result (the reason is on standard error); 130 Ctrl-C; 141 nobody "
      "read the\n"
      "output.\n"
      "Many hosts: all at once; live lines have their host in front (vm1: "
      "output,\n"
      "vm1! standard error), then output that is the same is shown once, then "
      "who ended\n"
      "how. Enter shows who is still running. Exit code: 0 all ok, 1 some "
      "command failed,\n"
      "255 some host gave no result, 130 Ctrl-C.\n"
      "Ctrl-C ends the remote processes and waits for the proof; a second one "
      "does not\n"
      "wait.\n\n"
      "Examples: specula --timeout 3 exec vm1 --timeout 1m -- tar cf - "
      "/etc > etc.tar\n"
      "          specula exec 'vm[01-64]!vm7' --diff -- uname -r\n"
      "          specula exec @web --canary 1 --batch 10% --max-fail 5% -s "
      "'apt-get -y upgrade'");
  command->callback([&context, options] {
    context.takes_words = true;
    context.run = [&context, options](Interrupt& interrupt) {
      return RunExec(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
