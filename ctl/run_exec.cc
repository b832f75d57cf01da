#include "ctl/run_exec.h"

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
#include "ctl/exec_session.h"
#include "ctl/ledger/run.h"
#include "ctl/ledger/store.h"
#include "ctl/roll.h"
#include "lib/base/clock.h"
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

absl::StatusOr<Roll::Options> MakeRoll(const ExecForm& form, size_t total) {
  Roll::Options roll;
  roll.total = total;
  roll.width = form.width;
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    const size_t room =
        files.rlim_cur - std::min<size_t>(files.rlim_cur, kSpareDescriptors);
    if (total > room) {
      roll.width = std::min(roll.width == 0 ? total : roll.width,
                            std::max<size_t>(room, 1));
    }
  }
  ASSIGN_OR_RETURN(roll.canary, Share("--canary", form.canary, total, 0));
  ASSIGN_OR_RETURN(roll.group, Share("--batch", form.group, total, 0));
  // Who goes step by step wants to see each step well done.
  const bool by_steps = roll.canary > 0 || roll.group > 0;
  ASSIGN_OR_RETURN(roll.most_failed, Share("--max-fail", form.most_failed,
                                           total, by_steps ? 0 : SIZE_MAX));
  return roll;
}

BatchReport::Keep KeepIn(const LedgerStore& ledger, const ClosedFleet& fleet,
                         const v1::ExecRequest& request) {
  return [&ledger, &fleet, &request, begun = absl::Now(), since = SteadyNow()](
             const Gather& gather, const std::vector<absl::Duration>& elapsed,
             int exit_code) {
    ledger::Run run =
        MakeRun(request.command(), fleet.targets, gather, elapsed);
    SetTimes(begun, SteadyNow() - since, run);
    run.set_exit_code(exit_code);
    return ledger.Add(std::move(run));
  };
}

}  // namespace

int RunBatchOn(ClosedFleet& fleet, const v1::ExecRequest& request,
               const ExecForm& form, Interrupt& interrupt) {
  absl::StatusOr<Roll::Options> roll = MakeRoll(form, fleet.targets.size());
  if (!roll.ok()) return UsageError(roll.status());
  const bool terminal = isatty(STDERR_FILENO) != 0 && !form.json;
  const bool fold = form.fold.value_or(true) || form.diff;
  const bool keys = terminal && isatty(STDIN_FILENO) != 0 && form.keys;
  const LedgerStore ledger;
  BatchReport report(
      fleet.targets, interrupt,
      {.live = form.live.value_or(!fold || isatty(STDOUT_FILENO) != 0),
       .fold = fold,
       .diff = form.diff,
       .json = form.json,
       .raw = form.raw,
       .progress = terminal,
       .key_fd = keys ? STDIN_FILENO : -1,
       .directory = form.directory,
       .keep = form.forget ? nullptr : KeepIn(ledger, fleet, request)});
  if (absl::Status ready = report.Prepare(); !ready.ok()) {
    return UsageError(ready);
  }
  std::unique_ptr<Batch> batch;
  batch = std::make_unique<Batch>(
      fleet, interrupt,
      Batch::Options{.roll = *roll, .answer_within = form.answer_within},
      report.Events([&batch]() -> const Batch& { return *batch; }));
  batch->Run(request);
  return report.Conclude(*batch);
}

bool AsksForBatch(const ExecForm& form) {
  return form.json || form.fold.has_value() || form.live.has_value() ||
         form.diff || !form.directory.empty();
}

int RunExecOn(ClosedFleet& fleet, const v1::ExecRequest& request,
              const ExecForm& form, Interrupt& interrupt) {
  if (fleet.targets.size() > 1 || AsksForBatch(form)) {
    return RunBatchOn(fleet, request, form, interrupt);
  }
  Target& target = fleet.targets.front();
  if (target.client == nullptr) OpenTarget(target, fleet.credentials);
  ExecSession session(target, interrupt,
                      {.answer_within = form.answer_within, .raw = form.raw});
  return session.Run(request);
}

}  // namespace specula::ctl
