#include "ctl/console/console.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/read_commands.h"
#include "ctl/run_exec.h"
#include "ctl/run_tail.h"
#include "ctl/run_unary.h"
#include "lib/base/format.h"
#include "lib/base/output.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr int kProcesses = 10;
constexpr int kTailLines = 10;

// The same host on the same channel.
Target Share(const Target& target) {
  Target shared;
  shared.id = target.id;
  shared.name = target.name;
  shared.endpoint = target.endpoint;
  shared.client = std::make_unique<AgentClient>(target.client->channel());
  return shared;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Console>> Console::Open(
    const FleetOptions& options) {
  RETURN_IF_ERROR(CheckNoFleetForm(options, "console", false));
  std::unique_ptr<Console> console(new Console());
  console->options_ = options;
  ASSIGN_OR_RETURN(console->inventory_, LoadInventory(options));
  ASSIGN_OR_RETURN(ClosedFleet fleet, LoadFleet(options, ""));
  for (Target& target : fleet.targets) OpenTarget(target, fleet.credentials);
  console->credentials_ = std::move(fleet.credentials);
  console->fleet_ = std::move(fleet.targets);
  return console;
}

std::vector<std::string> Console::HostWords() const {
  std::vector<std::string> words;
  for (const Target& target : fleet_) words.push_back(HostLabel(target));
  for (const Target& target : fleet_) words.push_back(absl::StrCat(target.id));
  for (const auto& [group, hosts] : inventory_.catalog.groups) {
    words.push_back(absl::StrCat("@", group));
  }
  return words;
}

bool Console::IsHost(absl::string_view word) const {
  // Of a group that is not there the user is to be told.
  if (!word.empty() && word.front() == '@') return true;
  return !word.empty() && Resolve(std::string(word)).ok();
}

absl::StatusOr<std::vector<Target>> Console::Resolve(
    const std::string& expression) const {
  std::vector<Target> targets;
  int id = 0;
  const bool is_id = absl::SimpleAtoi(expression, &id);
  for (const Target& target : fleet_) {
    // A host may be called "2"; that goes before its id.
    if (expression.empty() || HostLabel(target) == expression) {
      targets.push_back(Share(target));
    }
  }
  for (const Target& target : fleet_) {
    if (targets.empty() && is_id && target.id == id) {
      targets.push_back(Share(target));
    }
  }
  if (!targets.empty()) return targets;
  if (is_id) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no host with the id ", id, "; LIST shows them"));
  }
  ASSIGN_OR_RETURN(
      std::vector<SelectedHost> hosts,
      SelectHosts({.hosts = expression}, inventory_, kAgentPort, /*seed=*/0));
  for (const SelectedHost& host : hosts) {
    const auto found = std::find_if(
        fleet_.begin(), fleet_.end(),
        [&](const Target& target) { return target.name == host.name; });
    if (found == fleet_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", EscapeControls(host.name),
                       "' is no host of this session; LIST shows them"));
    }
    targets.push_back(Share(*found));
  }
  return targets;
}

int Console::Run(absl::string_view text, Interrupt& interrupt) {
  absl::StatusOr<ConsoleLine> line = ParseConsoleLine(
      text, [this](absl::string_view word) { return IsHost(word); });
  return line.ok() ? Act(*line, interrupt) : UsageError(line.status());
}

int Console::Act(const ConsoleLine& line, Interrupt& interrupt) {
  switch (line.verb) {
    case Verb::kNothing:
      return kExitOk;
    case Verb::kHelp:
      return Print(ConsoleHelp());
    case Verb::kBye:
      over_ = true;
      return kExitOk;
    default:
      break;
  }
  absl::StatusOr<std::vector<Target>> targets = Resolve(line.hosts);
  if (!targets.ok()) return UsageError(targets.status());
  return ActOn(line, *std::move(targets), interrupt);
}

int Console::ActOn(const ConsoleLine& line, std::vector<Target> targets,
                   Interrupt& interrupt) {
  ClosedFleet fleet = {std::move(targets), credentials_};
  auto read = [&](const auto& command) {
    return RunReadOn(fleet, options_, interrupt, command);
  };
  switch (line.verb) {
    case Verb::kList:
      return read(ListCommand());
    case Verb::kPing:
      return read(PingCommand());
    case Verb::kStatus:
      return read(StatusCommand());
    case Verb::kCpu:
      return read(CpuCommand(/*cores=*/false));
    case Verb::kMem:
      return read(MemCommand());
    case Verb::kDisk:
      return read(DiskCommand(/*io=*/false));
    case Verb::kPs: {
      v1::ProcessesRequest request;
      request.set_limit(kProcesses);
      request.set_order(v1::PROCESS_ORDER_CPU);
      return read(PsCommand(std::move(request)));
    }
    case Verb::kExec:
    case Verb::kStart: {
      CommandOptions options;
      options.shell = line.text;
      absl::StatusOr<v1::Command> command = MakeCommand(options, std::nullopt);
      if (!command.ok()) return UsageError(command.status());
      if (line.verb == Verb::kStart) {
        v1::StartRequest request;
        *request.mutable_command() = *std::move(command);
        return RunStartOn(fleet, request, options_, interrupt);
      }
      v1::ExecRequest request;
      *request.mutable_command() = *std::move(command);
      ExecForm form;
      form.answer_within = absl::Seconds(options_.timeout_seconds);
      // All hosts are a batch, also if there is but one; a host that is named
      // is spoken to directly.
      if (line.hosts.empty()) form.fold = true;
      form.keys = false;  // what is typed ahead is the next line
      return RunExecOn(fleet, request, form, interrupt);
    }
    case Verb::kKill: {
      if (fleet.targets.size() != 1) {
        return UsageError(absl::InvalidArgumentError(
            "KILL takes one host; use: KILL HOST PID [force]"));
      }
      v1::KillRequest request;
      request.set_pid(line.pid);
      request.set_force(line.force);
      return RunKillOn(fleet.targets, request, options_, interrupt);
    }
    case Verb::kTail: {
      if (absl::Status path = CheckTailPath(line.text); !path.ok()) {
        return UsageError(path);
      }
      v1::TailRequest request;
      request.set_path(line.text);
      request.set_lines(kTailLines);
      request.set_follow(true);
      TailFleetOptions form;
      form.answer_within = absl::Seconds(options_.timeout_seconds);
      const int code = RunTailOn(fleet.targets, request, form, interrupt);
      // The next prompt stands below the terminal's ^C.
      if (interrupt.interrupted() && isatty(STDERR_FILENO) != 0) {
        PrintErrorText("\n");
      }
      return code;
    }
    default:
      return kExitOk;
  }
}

}  // namespace specula::ctl
