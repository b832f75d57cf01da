#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ctl/batch_options.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/ledger/run.h"
#include "ctl/ledger/store.h"
#include "ctl/run_exec.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

struct RerunOptions {
  std::string id;
  bool failed = false;
  bool unreachable = false;
  ExecForm form;
  // Only what the ledger does not keep.
  CommandOptions command;
};

bool WasNotReached(const CommandEnding& ending) {
  return ending.outcome == Outcome::kUnreachable ||
         ending.outcome == Outcome::kRefused ||
         ending.outcome == Outcome::kSkipped;
}

// Those of the run that are meant. Where the command has failed --failed is
// right, where it did not come to run --unreachable.
std::vector<SelectedHost> HostsOf(const ledger::Run& run,
                                  const RerunOptions& options) {
  std::vector<SelectedHost> hosts;
  for (const ledger::Host& host : run.hosts()) {
    const CommandEnding ending = EndingOf(host);
    const bool unreached = WasNotReached(ending);
    const bool meant = (options.unreachable && unreached) ||
                       (options.failed && IsFailure(ending) && !unreached);
    if (!meant) continue;
    hosts.push_back({host.id(),
                     host.name(),
                     {host.address(), static_cast<uint16_t>(host.port())},
                     host.certificate_name()});
  }
  return hosts;
}

absl::StatusOr<v1::Command> CommandOf(const ledger::Run& run,
                                      const CommandOptions& given,
                                      Interrupt& interrupt) {
  const std::string missing =
      MissingToRepeat(run, !given.stdin_path.empty(), given.environment);
  if (!missing.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "run ", run.id(),
        " cannot be repeated as it was: the ledger keeps not ", missing));
  }
  // Read and checked as those of exec; its own program is of no importance.
  ASSIGN_OR_RETURN(
      v1::Command supplement,
      CompleteCommand(given, std::vector<std::string>{"-"}, interrupt));
  v1::Command command = run.command();
  for (const auto& [name, value] : supplement.environment()) {
    (*command.mutable_environment())[name] = value;
  }
  command.set_stdin(supplement.stdin());
  return command;
}

absl::Status CheckOptions(const RerunOptions& options,
                          const FleetOptions& fleet) {
  if (!options.failed && !options.unreachable) {
    return absl::InvalidArgumentError(
        "on which hosts? --failed: those where the command failed; "
        "--unreachable: those where it did not begin; or both");
  }
  if (!fleet.selection.exclude.empty() || fleet.selection.pick > 0) {
    return absl::InvalidArgumentError(
        "--exclude and --pick are not for rerun: its hosts are those of the "
        "run");
  }
  return CheckNoFleetForm(fleet, "rerun", true);
}

int RunRerun(const RerunOptions& options, const FleetOptions& fleet_options,
             Interrupt& interrupt) {
  if (absl::Status status = CheckOptions(options, fleet_options);
      !status.ok()) {
    return UsageError(status);
  }
  const absl::StatusOr<int64_t> id = ParseRunId(options.id);
  if (!id.ok()) return UsageError(id.status());
  const absl::StatusOr<ledger::Run> run = LedgerStore().Get(*id);
  if (!run.ok()) return UsageError(run.status());
  std::vector<SelectedHost> hosts = HostsOf(*run, options);
  if (hosts.empty()) {
    SayError(
        absl::StrCat("run ", options.id, " has no such hosts: nothing to do"));
    return kExitOk;
  }
  absl::StatusOr<v1::Command> command =
      CommandOf(*run, options.command, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  const size_t count = hosts.size();
  absl::StatusOr<ClosedFleet> closed =
      CloseFleet(fleet_options, std::move(hosts));
  if (!closed.ok()) return UsageError(closed.status());
  ClosedFleet& fleet = KeepToTheEnd(*std::move(closed));
  SayError(absl::StrCat("on ", count, " of the ", run->hosts_size(),
                        " hosts of run ", options.id, ": ",
                        EscapeControls(CommandLine(*command))));
  v1::ExecRequest request;
  *request.mutable_command() = *std::move(command);
  ExecForm form = options.form;
  FitForm(fleet_options, options.command, form);
  return RunBatchOn(fleet, request, form, interrupt);
}

}  // namespace

void AddRerunCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "rerun",
      "Run a batch again where it did not do well: rerun RUN --failed");
  auto options = std::make_shared<RerunOptions>();
  command->add_option("RUN", options->id, "Its number, see 'specula runs'")
      ->required();
  command->add_flag("--failed", options->failed,
                    "Where the command failed, timed out, was denied or lost");
  command->add_flag("--unreachable", options->unreachable,
                    "Where it did not begin: unreachable, refused or skipped");
  DeclareSupplement(command, options->command);
  DeclareBatchOptions(command, options->form);
  command->footer(
      "The same command on the same addresses, as you are now. Standard input "
      "and the\n"
      "values of --env are not kept: give them again. Exit code: as that of "
      "exec on many\n"
      "hosts.\n\n"
      "Example: specula rerun 17 --failed --unreachable");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      return RunRerun(*options, context.options, interrupt);
    };
  });
}

}  // namespace specula::ctl
