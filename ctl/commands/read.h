#ifndef SPECULA_CTL_COMMANDS_READ_H_
#define SPECULA_CTL_COMMANDS_READ_H_

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ctl/exit_code.h"
#include "ctl/fan_out.h"
#include "ctl/fleet.h"
#include "ctl/give_back_memory.h"
#include "ctl/interrupt.h"
#include "ctl/json.h"
#include "ctl/views.h"
#include "lib/base/clock.h"
#include "lib/base/output.h"

// What the commands that only read have in common: ask all, print, perhaps
// again.
namespace specula::ctl {

// Prints to standard error what the user can mend, and returns kExitUsage.
int UsageError(const absl::Status& status);

// Says `line` on standard error, with whose it is.
void SayError(absl::string_view line);

// The exit code after an output: kExitOk, kExitClosedPipe, or kExitNoResult
// where standard error has the reason.
ExitCode ExitCodeOf(Written written);

// Writes all of `text` to standard output; gives that exit code.
ExitCode Print(absl::string_view text);

// How wide a terminal on standard output is; SIZE_MAX if it is none.
ViewOptions ViewForOutput();

// Whether standard output is a terminal that is to have colours (NO_COLOR).
bool WantsColours();

// What comes before the text of each round of --watch: it clears a terminal,
// and parts the rounds elsewhere.
std::string RoundPrefix(bool first);

template <typename Response>
struct ReadCommand {
  // Key of the answer in a line of JSON.
  absl::string_view json_name;
  std::function<AgentClient::Call(AgentClient&, absl::Duration timeout,
                                  AgentClient::OnAnswer<Response>)>
      begin;
  std::function<std::string(const std::vector<Target>&,
                            const Results<Response>&)>
      view;
  // The part of an answer that is shown as JSON; null: nothing.
  std::function<const google::protobuf::Message*(const Response&)> json_payload;
  // More of each host's JSON, ",\"key\":…", in their order; null: no more.
  std::function<std::vector<std::string>(const Results<Response>&)> json_more =
      {};
  // False makes the exit code 1 where every host answered; null: never.
  std::function<bool(const Results<Response>&)> is_well = {};
};

template <typename Response>
std::string ViewJson(const ReadCommand<Response>& command,
                     const std::vector<Target>& targets,
                     const Results<Response>& results) {
  const std::vector<std::string> more =
      command.json_more ? command.json_more(results)
                        : std::vector<std::string>(targets.size());
  std::string text;
  for (size_t i = 0; i < targets.size(); ++i) {
    const bool ok = results[i].ending.outcome == Outcome::kOk;
    std::string line = JsonLine(
        targets[i], results[i].ending, results[i].elapsed, command.json_name,
        ok ? command.json_payload(results[i].response) : nullptr);
    line.insert(line.rfind('}'), more[i]);
    text += line;
  }
  return text;
}

// How asking once has ended.
struct Round {
  int exit_code = kExitOk;
  bool written = true;  // else there is no sense in another
};

// Asks all targets once and prints, `prefix` before the text.
template <typename Response>
Round ReadRound(ClosedFleet& fleet, const FleetOptions& options,
                Interrupt& interrupt, const ReadCommand<Response>& command,
                const std::string& prefix) {
  const std::vector<Target>& targets = fleet.targets;
  const Results<Response> results = AskAll<Response>(
      fleet, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<Response> done) {
        return command.begin(client, absl::Seconds(options.timeout_seconds),
                             std::move(done));
      });
  const std::string text = options.json ? ViewJson(command, targets, results)
                                        : command.view(targets, results);
  const ExitCode written = Print(options.json ? text : prefix + text);
  if (written != kExitOk) return {written, false};
  if (interrupt.interrupted()) return {kExitInterrupted};
  const bool all_ok = std::all_of(
      results.begin(), results.end(), [](const HostResult<Response>& result) {
        return result.ending.outcome == Outcome::kOk;
      });
  if (!all_ok) return {kExitNoResult};
  return {command.is_well && !command.is_well(results) ? kExitFailed : kExitOk};
}

// Runs a reading command on hosts, once; gives the exit code.
template <typename Response>
int RunReadOn(ClosedFleet& fleet, const FleetOptions& options,
              Interrupt& interrupt, const ReadCommand<Response>& command) {
  return ReadRound(fleet, options, interrupt, command, "").exit_code;
}

// Runs a reading command to its end, on the hosts that the options name; gives
// the exit code.
template <typename Response>
int RunRead(const FleetOptions& options, Interrupt& interrupt,
            const ReadCommand<Response>& command) {
  absl::StatusOr<ClosedFleet> loaded = LoadFleet(options, "");
  if (!loaded.ok()) return UsageError(loaded.status());
  ClosedFleet& fleet = KeepToTheEnd(*std::move(loaded));
  if (options.watch_seconds <= 0) {
    return RunReadOn(fleet, options, interrupt, command);
  }
  // From round to round the connections stand: a handshake costs more.
  for (Target& target : fleet.targets) OpenTarget(target, fleet.credentials);
  for (bool first = true;; first = false) {
    const Round round =
        ReadRound(fleet, options, interrupt, command, RoundPrefix(first));
    if (!round.written) return round.exit_code;
    if (interrupt.interrupted()) return kExitInterrupted;
    GiveBackMemory();
    const absl::Time next = SteadyNow() + absl::Seconds(options.watch_seconds);
    while (SteadyNow() < next) {
      if (interrupt.Wait(next - SteadyNow())) return kExitInterrupted;
    }
  }
}

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMMANDS_READ_H_
