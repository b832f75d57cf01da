#include "ctl/preflight.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "clients/cpp/exec_call.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/json.h"
#include "ctl/table.h"

namespace specula::ctl {
namespace {

constexpr char kCeiling[] = "known by running only";

int64_t DaysLeft(absl::Time end) {
  return absl::ToInt64Hours(end - absl::Now()) / 24;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds());
}

// An Exec without a program, as a call that is answered once: OK if the gate
// let it pass.
AgentClient::Call AskGate(AgentClient& client, absl::Duration within,
                          AgentClient::OnAnswer<v1::ExecExited> done) {
  ExecEvents events;
  events.started = [](const v1::ExecStarted&) {};
  events.output = [](std::string) {};
  events.error_output = [](std::string) {};
  events.exited = [](const v1::ExecExited&) {};
  events.finished = [done = std::move(done)](const absl::Status& status) {
    if (absl::IsInvalidArgument(status)) {
      done(v1::ExecExited());
    } else if (status.ok()) {
      done(absl::InternalError("the agent ran a command without a program"));
    } else {
      done(status);
    }
  };
  std::shared_ptr<ExecCall> call = ExecCall::Create(
      client.channel(), {}, {.answer_within = within, .limit = within},
      std::move(events));
  call->Start();
  return call;
}

std::string Verdict(const Ending& ending) {
  return ending.outcome == Outcome::kOk ? "allowed" : EndingText(ending);
}

}  // namespace

int RunPreflight(ClosedFleet& fleet, const FleetOptions& options,
                 Interrupt& interrupt) {
  for (Target& target : fleet.targets) OpenTarget(target, fleet.credentials);
  const absl::Duration within = absl::Seconds(options.timeout_seconds);
  const auto status = AskAll<v1::StatusResponse>(
      fleet.targets, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<v1::StatusResponse> done) {
        return client.Status({}, within, std::move(done));
      });
  if (interrupt.interrupted()) return kExitInterrupted;
  const auto gate = AskAll<v1::ExecExited>(
      fleet.targets, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<v1::ExecExited> done) {
        return AskGate(client, within, std::move(done));
      });
  if (interrupt.interrupted()) return kExitInterrupted;
  Table table({{"HOST"},
               {"AGENT"},
               {"CERT DAYS", Table::Align::kRight},
               {"ROLE"},
               {"CEILING"}});
  std::string json;
  bool all_could = true;
  for (size_t i = 0; i < fleet.targets.size(); ++i) {
    const Target& target = fleet.targets[i];
    const bool reached = status[i].ending.outcome == Outcome::kOk;
    const Ending& verdict = reached ? gate[i].ending : status[i].ending;
    all_could = all_could && verdict.outcome == Outcome::kOk;
    if (options.json) {
      json += JsonLine(target, verdict, status[i].elapsed, "agent",
                       reached ? &status[i].response.agent() : nullptr);
    } else if (!reached) {
      table.AddNote({HostLabel(target), EndingText(verdict)});
    } else {
      const v1::Agent& agent = status[i].response.agent();
      table.Add({HostLabel(target), agent.version(),
                 agent.has_certificate_expire_time()
                     ? absl::StrCat(
                           DaysLeft(FromProto(agent.certificate_expire_time())))
                     : "-",
                 Verdict(verdict), kCeiling});
    }
  }
  const ExitCode written = Print(options.json ? json : table.Render());
  if (written != kExitOk) return written;
  if (!options.json) {
    Print(absl::StrFormat("you: %s %s, certificate for %d more days\n",
                          RoleName(fleet.credentials.identity.role),
                          fleet.credentials.identity.name,
                          DaysLeft(fleet.credentials.not_after)));
  }
  return all_could ? kExitOk : kExitNoResult;
}

}  // namespace specula::ctl
