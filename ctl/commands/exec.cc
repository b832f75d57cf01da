#include <memory>

#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exec_session.h"

namespace specula::ctl {
namespace {

struct ExecOptions {
  std::string host;
  CommandOptions command;
  bool raw = false;
};

int RunExec(const ExecOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "exec", false);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<std::vector<Target>> targets =
      OpenHost(context.options, options.host, "exec");
  if (!targets.ok()) return UsageError(targets.status());
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  v1::ExecRequest request;
  *request.mutable_command() = *std::move(command);
  ExecSession session(
      targets->front(), interrupt,
      {.answer_within = absl::Seconds(context.options.timeout_seconds),
       .raw = options.raw});
  return session.Run(request);
}

}  // namespace

void AddExecCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "exec", "Run a program on a host: exec [HOST] [options] -- CMD ARG…");
  auto options = std::make_shared<ExecOptions>();
  command->add_option("HOST", options->host, "Where, instead of --hosts");
  DeclareCommandOptions(command, options->command);
  DeclareExecOptions(command, options->command);
  command->add_flag("--raw", options->raw,
                    "Let the host's bytes reach the terminal as they are");
  command->footer(
      "Its output comes as it is written, byte by byte; a terminal gets text "
      "only.\n"
      "Exit code: that of the command; 128+n if it died by signal n; 124 timed "
      "out;\n"
      "255 no result (the reason is on standard error); 130 Ctrl-C, which ends "
      "the remote\n"
      "processes and waits for the proof (a second one does not wait); 141 "
      "nobody read\n"
      "the output.\n\n"
      "Example: specula --timeout 3 exec vm1 --timeout 1m -- tar cf - "
      "/etc > etc.tar");
  command->callback([&context, options] {
    context.takes_words = true;
    context.run = [&context, options](Interrupt& interrupt) {
      return RunExec(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
