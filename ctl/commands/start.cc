#include <cstdio>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/gather.h"
#include "ctl/table.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

struct StartOptions {
  std::string hosts;
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

using Response = v1::StartResponse;

std::string ViewStarted(const std::vector<Target>& targets,
                        const Results<Response>& results) {
  Table table({{"HOST"}, {"PID"}, {"START_TICKS"}, {"BOOT_ID"}, {"LOG"}});
  for (size_t i = 0; i < targets.size(); ++i) {
    if (results[i].ending.outcome != Outcome::kOk) continue;
    const Response& response = results[i].response;
    table.Add({HostLabel(targets[i]), absl::StrCat(response.pid()),
               absl::StrCat(response.start_ticks()), response.boot_id(),
               response.log_path()});
  }
  return table.Render();
}

// One line: "started on vm1, vm2; failed on vm3".
std::string StartSummary(const std::vector<Target>& targets,
                         const Results<Response>& results) {
  std::map<Outcome, std::vector<std::string>> hosts;
  for (size_t i = 0; i < targets.size(); ++i) {
    hosts[results[i].ending.outcome].push_back(HostLabel(targets[i]));
  }
  std::string text;
  for (const auto& [outcome, names] : hosts) {
    absl::StrAppend(&text,
                    outcome == Outcome::kOk ? "Started" : OutcomeName(outcome),
                    ": ", EscapeControls(ListHosts(names)), "\n");
  }
  return text;
}

int RunStart(const StartOptions& options, const CommandContext& context,
             Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "start", true);
  if (!status.ok()) return UsageError(status);
  absl::StatusOr<std::vector<Target>> targets =
      OpenFleet(context.options, options.hosts);
  if (!targets.ok()) return UsageError(targets.status());
  absl::StatusOr<v1::Command> command =
      CompleteCommand(options.command, context.words, interrupt);
  if (absl::IsCancelled(command.status())) return kExitInterrupted;
  if (!command.ok()) return UsageError(command.status());
  v1::StartRequest request;
  *request.mutable_command() = *std::move(command);
  request.set_idempotency_key(options.key);
  const Results<Response> results = AskAll<Response>(
      *targets, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<Response> done) {
        return client.Start(request,
                            absl::Seconds(context.options.timeout_seconds),
                            std::move(done));
      });
  const bool json = context.options.json;
  bool all_run = true;
  bool some_run = false;
  bool written = true;
  std::vector<std::string> in_doubt;
  for (size_t i = 0; i < targets->size(); ++i) {
    const Target& target = (*targets)[i];
    const HostResult<Response>& result = results[i];
    if (ReportFailure(target, result.ending, result.elapsed, json)) {
      all_run = false;
      if (IsInDoubt(result.ending)) in_doubt.push_back(HostLabel(target));
      continue;
    }
    some_run = true;
    if (json) {
      written = Print(JsonLine(target, result.ending, result.elapsed, "start",
                               &result.response)) &&
                written;
    }
  }
  if (!in_doubt.empty()) {
    fprintf(stderr, "specula: %s: %s\n",
            EscapeControls(ListHosts(in_doubt)).c_str(),
            DoubtText(options).c_str());
  }
  if (!json && some_run) written = Print(ViewStarted(*targets, results));
  if (!json && targets->size() > 1) {
    written = Print(StartSummary(*targets, results)) && written;
  }
  if (interrupt.interrupted()) return kExitInterrupted;
  return all_run && written ? kExitOk : kExitNoResult;
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
      "error).");
  command->callback([&context, options] {
    context.takes_words = true;
    context.run = [&context, options](Interrupt& interrupt) {
      return RunStart(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
