#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "clients/cpp/signal_name.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/kill_by_name.h"
#include "ctl/run_unary.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

struct KillOptions {
  // HOST PID, or PID alone with --hosts.
  std::string first;
  std::string second;
  std::string signal;
  std::string start_ticks;
  NameOptions name;
  bool force = false;
  bool tree = false;
  bool confirmed = false;
};

absl::StatusOr<int64_t> ParseWhole(absl::string_view what,
                                   absl::string_view text, int64_t least) {
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= least) return number;
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": '", EscapeControls(text), "' is no number of ",
                   least, " or more"));
}

// How to signal; without the process.
absl::StatusOr<v1::KillRequest> MakeManner(const KillOptions& options) {
  v1::KillRequest request;
  if (!options.signal.empty()) {
    if (options.force) {
      return absl::InvalidArgumentError("either --signal or --force, not both");
    }
    absl::StatusOr<int> signal = ParseSignal(options.signal);
    if (!signal.ok()) return signal.status();
    request.set_signal(*signal);
  }
  request.set_force(options.force);
  request.set_tree(options.tree);
  return request;
}

absl::StatusOr<v1::KillRequest> MakeRequest(const KillOptions& options) {
  ASSIGN_OR_RETURN(v1::KillRequest request, MakeManner(options));
  absl::StatusOr<int64_t> pid = ParseWhole(
      "PID", options.second.empty() ? options.first : options.second, 2);
  if (!pid.ok()) return pid.status();
  request.set_pid(*pid);
  if (!options.start_ticks.empty()) {
    absl::StatusOr<int64_t> ticks =
        ParseWhole("--start-ticks", options.start_ticks, 0);
    if (!ticks.ok()) return ticks.status();
    request.set_start_ticks(*ticks);
  }
  return request;
}

int RunKillByName(const KillOptions& options, const CommandContext& context,
                  Interrupt& interrupt) {
  if (!options.second.empty() || !options.start_ticks.empty()) {
    return UsageError(absl::InvalidArgumentError(
        "either PID or --name, not both; kill HOSTS --name PATTERN"));
  }
  absl::StatusOr<v1::KillRequest> manner = MakeManner(options);
  if (!manner.ok()) return UsageError(manner.status());
  absl::StatusOr<ClosedFleet> loaded =
      LoadFleet(context.options, options.first);
  if (!loaded.ok()) return UsageError(loaded.status());
  ClosedFleet& fleet = KeepToTheEnd(*std::move(loaded));
  return KillByName(fleet, options.name, *manner, options.confirmed,
                    context.options, interrupt);
}

int RunKill(const KillOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status status = CheckNoFleetForm(context.options, "kill", true);
  if (!status.ok()) return UsageError(status);
  if (!options.name.pattern.empty()) {
    return RunKillByName(options, context, interrupt);
  }
  if (options.first.empty()) {
    return UsageError(absl::InvalidArgumentError(
        "whom to signal is missing: kill HOST PID, or kill HOSTS --name "
        "PATTERN"));
  }
  absl::StatusOr<v1::KillRequest> request = MakeRequest(options);
  if (!request.ok()) return UsageError(request.status());
  absl::StatusOr<std::vector<Target>> targets = OpenHost(
      context.options, options.second.empty() ? "" : options.first, "kill");
  if (!targets.ok()) return UsageError(targets.status());
  return RunKillOn(*targets, *request, context.options, interrupt);
}

}  // namespace

void AddKillCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "kill", "Send a signal: kill [HOST] PID, or kill [HOSTS] --name PATTERN");
  auto options = std::make_shared<KillOptions>();
  command->add_option("HOST", options->first,
                      "Where; left out with --hosts, so that PID comes first");
  command->add_option("PID", options->second, "Which process, 2 or greater");
  command->add_option("--signal", options->signal,
                      "TERM, HUP, RTMIN+1, or a number (TERM)");
  command->add_flag("--force", options->force, "KILL");
  command->add_flag("--tree", options->tree, "Also to every process below it");
  command->add_option("--start-ticks", options->start_ticks,
                      "Only if it is the process that was started then, as "
                      "start shows it");
  DeclareName(command, options->name,
              "Every process whose name this regular expression (RE2) "
              "matches,\non all hosts; shows them and asks first");
  command->add_flag("--yes", options->confirmed, "Do not ask");
  command->footer(
      "A name is the kernel's, of at most 15 bytes, or the program's as ps "
      "shows it. Never\n"
      "meant are init, kernel threads, agents, and this command itself.\n\n"
      "Exit code: 0 it was signalled everywhere, 1 nothing has that name, 255 "
      "on some host\n"
      "it was not signalled, or nothing is known.\n\n"
      "Examples: specula kill vm1 4711 --tree\n"
      "          specula kill @web --name '^worker' --signal HUP\n"
      "          specula kill @web --full --name 'python3 .*worker\\.py'");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      return RunKill(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
