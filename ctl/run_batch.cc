#include "ctl/run_batch.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ctl/batch.h"
#include "ctl/batch_report.h"
#include "ctl/commands/read.h"
#include "ctl/ledger/run.h"
#include "ctl/ledger/store.h"
#include "ctl/roll.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Descriptors that are not for hosts: our own, files, gRPC's.
constexpr size_t kSpareDescriptors = 64;

absl::StatusOr<size_t> Share(absl::string_view flag, const std::string& text,
                             size_t total, size_t otherwise) {
  if (text.empty()) return otherwise;
  absl::StatusOr<size_t> share = ParseShare(text, total);
  if (share.ok()) return share;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ", share.status().message()));
}

absl::StatusOr<Roll::Options> MakeRoll(const BatchOptions& options,
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

BatchReport::Keep KeepIn(const LedgerStore& ledger, const ClosedFleet& fleet,
                         const v1::ExecRequest& request) {
  return [&ledger, &fleet, &request, begun = absl::Now()](
             const Gather& gather, const std::vector<absl::Duration>& elapsed,
             int exit_code) {
    ledger::Run run =
        MakeRun(request.command(), fleet.targets, gather, elapsed);
    SetTimes(begun, absl::Now() - begun, run);
    run.set_exit_code(exit_code);
    return ledger.Add(std::move(run));
  };
}

}  // namespace

bool AsksForBatch(const BatchOptions& options, const FleetOptions& fleet) {
  return fleet.json || options.fold.has_value() || options.live.has_value() ||
         options.diff || !options.directory.empty();
}

void DeclareBatchOptions(CLI::App* command, BatchOptions& options) {
  command->add_flag("--raw", options.raw,
                    "Let the hosts' bytes reach the terminal as they are");
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
  command->add_flag("--forget", options.forget,
                    "Do not keep this run for 'specula runs'");
}

int RunBatch(const BatchOptions& options, const FleetOptions& fleet_options,
             ClosedFleet& fleet, const v1::ExecRequest& request,
             Interrupt& interrupt) {
  absl::StatusOr<Roll::Options> roll = MakeRoll(options, fleet.targets.size());
  if (!roll.ok()) return UsageError(roll.status());
  const bool terminal = isatty(STDERR_FILENO) != 0 && !fleet_options.json;
  const bool fold = options.fold.value_or(true) || options.diff;
  const bool keys =
      terminal && isatty(STDIN_FILENO) != 0 && !options.reads_stdin;
  const LedgerStore ledger;
  BatchReport report(
      fleet.targets, interrupt,
      {.live = options.live.value_or(!fold || isatty(STDOUT_FILENO) != 0),
       .fold = fold,
       .diff = options.diff,
       .json = fleet_options.json,
       .raw = options.raw,
       .progress = terminal,
       .key_fd = keys ? STDIN_FILENO : -1,
       .directory = options.directory,
       .keep = options.forget ? nullptr : KeepIn(ledger, fleet, request)});
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

}  // namespace specula::ctl
