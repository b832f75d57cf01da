#include <memory>
#include <utility>

#include "ctl/batch_options.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/preflight.h"
#include "ctl/run_exec.h"

namespace specula::ctl {
namespace {

struct ExecOptions {
  std::string hosts;
  CommandOptions command;
  bool dry_run = false;
  ExecForm form;
};

int RunExec(ExecOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "exec", true);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  absl::StatusOr<ClosedFleet> loaded =
      LoadFleet(context.options, options.hosts);
  if (!loaded.ok()) return UsageError(loaded.status());
  ClosedFleet& fleet = KeepToTheEnd(*std::move(loaded));
  v1::ExecRequest request;
  *request.mutable_command() = *std::move(command);
  if (options.dry_run) {
    return RunPreflight(fleet, context.options, interrupt);
  }
  FitForm(context.options, options.command, options.form);
  return RunExecOn(fleet, request, options.form, interrupt);
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
  DeclareBatchOptions(command, options->form);
  command->add_flag("--dry-run", options->dry_run,
                    "Ask each host whether it could; nothing is run");
  command->footer(
      "One host: its output comes as it is written, byte by byte; a terminal "
      "gets text\n"
      "only. Exit code: that of the command; 128+n if it died by signal n; "
      "124 timed out;\n"
      "255 no result (the reason is on standard error); 130 Ctrl-C; 141 nobody "
      "read the\n"
      "output.\n\n"
      "Many hosts: all at once; live lines have their host in front (vm1: "
      "output,\n"
      "vm1! standard error), then output that is the same is shown once, then "
      "who ended\n"
      "how. Enter shows who is still running. Exit code: 0 all ok, 1 some "
      "command failed,\n"
      "255 some host gave no result, 130 Ctrl-C.\n\n"
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
