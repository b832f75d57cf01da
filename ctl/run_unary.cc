#include "ctl/run_unary.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cpp/signal_name.h"
#include "ctl/command_options.h"
#include "ctl/commands/read.h"
#include "ctl/gather.h"
#include "ctl/table.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Whether the program may run although no answer came.
bool IsInDoubt(const Ending& ending) {
  return ending.outcome == Outcome::kLost ||
         ending.outcome == Outcome::kTimeout ||
         ending.outcome == Outcome::kUnreachable ||
         ending.reason == "interrupted";
}

std::string DoubtText(const v1::StartRequest& request) {
  return request.idempotency_key().empty()
             ? "it may have been started all the same; with --idempotency-key "
               "it could be tried again safely"
             : "it may have been started all the same; try again with the same "
               "key";
}

std::string ViewStarted(const std::vector<Target>& targets,
                        const Results<v1::StartResponse>& results) {
  Table table({{"HOST"}, {"PID"}, {"START_TICKS"}, {"BOOT_ID"}, {"LOG"}});
  for (size_t i = 0; i < targets.size(); ++i) {
    if (results[i].ending.outcome != Outcome::kOk) continue;
    const v1::StartResponse& response = results[i].response;
    table.Add({HostLabel(targets[i]), absl::StrCat(response.pid()),
               absl::StrCat(response.start_ticks()), response.boot_id(),
               response.log_path()});
  }
  return table.Render();
}

// One line: "started on vm1, vm2; failed on vm3".
std::string StartSummary(const std::vector<Target>& targets,
                         const Results<v1::StartResponse>& results) {
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

std::string ViewSent(const v1::KillRequest& request,
                     const v1::KillResponse& response) {
  const std::string name =
      request.force()
          ? "KILL"
          : SignalName(request.signal() == 0 ? 15 : request.signal());
  return absl::StrCat(
      "sent ", name, " to ", response.signalled_count(),
      response.signalled_count() == 1 ? " process\n" : " processes\n");
}

}  // namespace

int RunStartOn(ClosedFleet& fleet, const v1::StartRequest& request,
               const FleetOptions& options, Interrupt& interrupt) {
  using Response = v1::StartResponse;
  const std::vector<Target>& targets = fleet.targets;
  const Results<Response> results = AskAll<Response>(
      fleet, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<Response> done) {
        return client.Start(request, absl::Seconds(options.timeout_seconds),
                            std::move(done));
      });
  const bool json = options.json;
  bool all_run = true;
  bool some_run = false;
  std::string text;
  std::vector<std::string> in_doubt;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    const HostResult<Response>& result = results[i];
    if (ReportFailure(target, result.ending, result.elapsed, json)) {
      all_run = false;
      if (IsInDoubt(result.ending)) in_doubt.push_back(HostLabel(target));
      continue;
    }
    some_run = true;
    if (json) {
      text += JsonLine(target, result.ending, result.elapsed, "start",
                       &result.response);
    }
  }
  if (!in_doubt.empty()) {
    SayError(absl::StrCat(EscapeControls(ListHosts(in_doubt)), ": ",
                          DoubtText(request)));
  }
  if (!json && some_run) text += ViewStarted(targets, results);
  if (!json && targets.size() > 1) text += StartSummary(targets, results);
  const ExitCode written = Print(text);
  if (interrupt.interrupted()) return kExitInterrupted;
  if (written != kExitOk) return written;
  return all_run ? kExitOk : kExitNoResult;
}

int RunKillOn(const std::vector<Target>& targets,
              const v1::KillRequest& request, const FleetOptions& options,
              Interrupt& interrupt) {
  using Response = v1::KillResponse;
  const Results<Response> results = AskAll<Response>(
      targets, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<Response> done) {
        return client.Kill(request, absl::Seconds(options.timeout_seconds),
                           std::move(done));
      });
  bool all_ok = true;
  std::string text;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    const HostResult<Response>& result = results[i];
    if (ReportFailure(target, result.ending, result.elapsed, options.json)) {
      all_ok = false;
    } else if (options.json) {
      text += JsonLine(target, result.ending, result.elapsed, "kill",
                       &result.response);
    } else {
      if (targets.size() > 1) {
        absl::StrAppend(&text, EscapeControls(HostLabel(target)), ": ");
      }
      text += ViewSent(request, result.response);
    }
  }
  const ExitCode written = Print(text);
  if (!all_ok && interrupt.interrupted()) return kExitInterrupted;
  if (written != kExitOk) return written;
  return all_ok ? kExitOk : kExitNoResult;
}

}  // namespace specula::ctl
