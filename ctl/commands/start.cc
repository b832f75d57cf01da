#include <memory>

#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/run_unary.h"

namespace specula::ctl {
namespace {

struct StartOptions {
  std::string hosts;
  std::string key;
  CommandOptions command;
};

int RunStart(const StartOptions& options, const CommandContext& context,
             Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "start", true);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<ClosedFleet> loaded =
      LoadFleet(context.options, options.hosts);
  if (!loaded.ok()) return UsageError(loaded.status());
  ClosedFleet& fleet = KeepToTheEnd(*std::move(loaded));
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  v1::StartRequest request;
  *request.mutable_command() = *std::move(command);
  request.set_idempotency_key(options.key);
  return RunStartOn(fleet, request, context.options, interrupt);
}

}  // namespace

void AddStartCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "start",
      "Start a program that outlives the call: start [HOSTS] [options] -- CMD "
      "ARG…");
  auto options = std::make_shared<StartOptions>();
  command->add_option("HOSTS", options->hosts,
                      "Where, instead of --hosts: a host set or an id");
  DeclareCommandOptions(command, options->command);
  command->add_option(
      "--idempotency-key", options->key,
      "A second start with the same key and command starts nothing more");
  command->footer(
      "Its output goes to a file on the host, whose path is shown. Exit code: "
      "0 "
      "it runs everywhere,\n"
      "255 on some host it does not, or nothing is known (the reason is on "
      "standard "
      "error).\n\n"
      "Example: specula start vm1 --cwd /srv -- ./server --port 8080");
  command->callback([&context, options] {
    context.takes_words = true;
    context.run = [&context, options](Interrupt& interrupt) {
      return RunStart(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
