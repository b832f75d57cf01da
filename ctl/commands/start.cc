#include <memory>

#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/table.h"

namespace specula::ctl {
namespace {

struct StartOptions {
  std::string host;
  std::string key;
  CommandOptions command;
};

// Whether the program may run although no answer came.
bool IsInDoubt(const Ending& ending) {
  return ending.outcome == Outcome::kLost ||
         ending.outcome == Outcome::kTimeout ||
         ending.outcome == Outcome::kUnreachable ||
         ending.reason == "interrupted";
}

std::string DoubtText(const StartOptions& options) {
  return options.key.empty()
             ? "it may have been started all the same; with --idempotency-key "
               "it could be tried again safely"
             : "it may have been started all the same; try again with the same "
               "key";
}

std::string ViewStarted(const Target& target,
                        const v1::StartResponse& response) {
  Table table({{"HOST"}, {"PID"}, {"START_TICKS"}, {"BOOT_ID"}, {"LOG"}});
  table.Add({HostLabel(target), absl::StrCat(response.pid()),
             absl::StrCat(response.start_ticks()), response.boot_id(),
             response.log_path()});
  return table.Render();
}

int RunStart(const StartOptions& options, const CommandContext& context,
             Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "start", true);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<std::vector<Target>> targets =
      OpenHost(context.options, options.host, "start");
  if (!targets.ok()) return UsageError(targets.status());
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  v1::StartRequest request;
  *request.mutable_command() = *std::move(command);
  request.set_idempotency_key(options.key);
  using Response = v1::StartResponse;
  const HostResult<Response> result =
      AskAll<Response>(
          *targets, interrupt,
          [&](AgentClient& client, AgentClient::OnAnswer<Response> done) {
            return client.Start(request,
                                absl::Seconds(context.options.timeout_seconds),
                                std::move(done));
          })
          .front();
  const Target& target = targets->front();
  const bool json = context.options.json;
  if (ReportFailure(target, result.ending, result.elapsed, json)) {
    if (IsInDoubt(result.ending)) SayOfHost(target, DoubtText(options));
    return interrupt.interrupted() ? kExitInterrupted : kExitNoResult;
  }
  const std::string text = json
                               ? JsonLine(target, result.ending, result.elapsed,
                                          "start", &result.response)
                               : ViewStarted(target, result.response);
  return Print(text) ? kExitOk : kExitNoResult;
}

}  // namespace

void AddStartCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "start",
      "Start a program that outlives the call: start [HOST] [options] -- CMD "
      "ARG…");
  auto options = std::make_shared<StartOptions>();
  command->add_option("HOST", options->host, "Where, instead of --hosts");
  DeclareCommandOptions(command, options->command);
  command->add_option(
      "--idempotency-key", options->key,
      "A second start with the same key and command starts nothing more");
  command->footer(
      "Its output goes to a file on the host, whose path is shown. Exit code: "
      "0 "
      "it runs,\n"
      "255 it does not, or nothing is known (the reason is on standard "
      "error).");
  command->callback([&context, options] {
    context.takes_words = true;
    context.run = [&context, options](Interrupt& interrupt) {
      return RunStart(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
