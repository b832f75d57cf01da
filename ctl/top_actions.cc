#include "ctl/top_actions.h"

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "clients/cpp/signal_name.h"
#include "ctl/commands/read.h"
#include "ctl/gather.h"
#include "ctl/kill_by_name.h"
#include "ctl/run_exec.h"
#include "ctl/run_tail.h"
#include "ctl/run_unary.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// The chosen ones, with channels of their own where they are wanted open: what
// is done must not depend on what is watched.
ClosedFleet Choose(const ClosedFleet& fleet, const Action& action, bool open) {
  ClosedFleet chosen;
  chosen.credentials = fleet.credentials;
  for (const size_t host : action.hosts) {
    const Target& known = fleet.targets[host];
    Target target;
    target.id = known.id;
    target.name = known.name;
    target.endpoint = known.endpoint;
    if (open) OpenTarget(target, chosen.credentials);
    chosen.targets.push_back(std::move(target));
  }
  return chosen;
}

// "specula exec db[1-2] -- CMD", as it would be typed.
void SayWhat(absl::string_view what, const ClosedFleet& chosen) {
  Print(absl::StrCat("specula ", what, " on ",
                     EscapeControls(ListHosts(LabelsOf(chosen.targets))),
                     "  (Ctrl-C ends it)\n"));
}

int Exec(const ClosedFleet& fleet, const Action& action,
         const FleetOptions& options, Interrupt& interrupt) {
  ClosedFleet chosen = Choose(fleet, action, false);
  SayWhat(absl::StrCat("exec: ", EscapeControls(action.text)), chosen);
  v1::ExecRequest request;
  request.mutable_command()->set_shell(action.text);
  ExecForm form;
  form.answer_within = absl::Seconds(options.timeout_seconds);
  // One host too tells by a word how it ended.
  form.fold = true;
  return RunExecOn(chosen, request, form, interrupt);
}

int Tail(const ClosedFleet& fleet, const Action& action,
         const FleetOptions& options, Interrupt& interrupt) {
  const ClosedFleet chosen = Choose(fleet, action, true);
  SayWhat(absl::StrCat("tail -f ", EscapeControls(action.text)), chosen);
  if (absl::Status path = CheckTailPath(action.text); !path.ok()) {
    return UsageError(path);
  }
  v1::TailRequest request;
  request.set_path(action.text);
  request.set_follow(true);
  TailFleetOptions form;
  form.answer_within = absl::Seconds(options.timeout_seconds);
  return RunTailOn(chosen.targets, request, form, interrupt);
}

int Kill(const ClosedFleet& fleet, const Action& action,
         const FleetOptions& options, Interrupt& interrupt) {
  const bool by_name = action.kind == Action::Kind::kKillByName;
  ClosedFleet chosen = Choose(fleet, action, /*open=*/!by_name);
  v1::KillRequest request;
  request.set_signal(action.signal);
  const std::string name = SignalName(action.signal == 0 ? 15 : action.signal);
  if (by_name) {
    SayWhat(absl::StrCat("kill --signal ", name, action.full ? " --full" : "",
                         " --name ", EscapeControls(action.text)),
            chosen);
    return KillByName(chosen, {action.text, action.full}, request, false,
                      options, interrupt);
  }
  SayWhat(absl::StrCat("kill --signal ", name, " ", action.pid, " (",
                       EscapeControls(action.text), ")"),
          chosen);
  request.set_pid(action.pid);
  request.set_start_ticks(action.start_ticks);
  return RunKillOn(chosen.targets, request, options, interrupt);
}

}  // namespace

int RunTopAction(const ClosedFleet& fleet, const Action& action,
                 const FleetOptions& options, Interrupt& interrupt) {
  switch (action.kind) {
    case Action::Kind::kExec:
      return Exec(fleet, action, options, interrupt);
    case Action::Kind::kTail:
      return Tail(fleet, action, options, interrupt);
    case Action::Kind::kKillByName:
    case Action::Kind::kKillProcess:
      return Kill(fleet, action, options, interrupt);
  }
  return 0;
}

}  // namespace specula::ctl
