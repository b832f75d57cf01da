#include "ctl/kill_by_name.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/gather.h"
#include "lib/base/format.h"
#include "lib/base/output.h"

namespace specula::ctl {
namespace {

constexpr int kInputPollMilliseconds = 100;
constexpr size_t kMostCommandShown = 100;

// With the plural of "host" and "process".
std::string Counted(size_t count, absl::string_view one) {
  const absl::string_view more = absl::EndsWith(one, "s") ? "es" : "s";
  return absl::StrCat(count, " ", one, count == 1 ? "" : more);
}

size_t HostsOf(const std::vector<Match>& matches) {
  std::set<size_t> hosts;
  for (const Match& match : matches) hosts.insert(match.host);
  return hosts.size();
}

// Reads a line from a terminal; false at its end and at Ctrl-C.
bool ReadLine(Interrupt& interrupt, std::string& line) {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  while (!interrupt.Wait(absl::ZeroDuration())) {
    if (poll(&input, 1, kInputPollMilliseconds) <= 0) continue;
    char buffer[256];
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) return false;
    line.append(buffer, static_cast<size_t>(got));
    if (absl::StrContains(line, '\n')) return true;
  }
  return false;
}

// Says of which hosts it is known that no process is meant, and no more.
std::string NothingFound(const std::string& pattern,
                         const std::vector<std::string>& hosts, bool complete) {
  if (hosts.empty()) return "nothing was signalled";
  return absl::StrCat(
      "no process has a name like '", EscapeControls(pattern), "'",
      complete ? "" : absl::StrCat(" on ", EscapeControls(ListHosts(hosts))));
}

// One call for each match, all at once.
Results<v1::KillResponse> SignalAll(ClosedFleet& fleet,
                                    const std::vector<Match>& matches,
                                    const v1::KillRequest& request,
                                    absl::Duration within,
                                    Interrupt& interrupt) {
  std::vector<Target> each;
  for (const Match& match : matches) {
    Target& host = fleet.targets[match.host];
    if (host.client == nullptr) OpenTarget(host, fleet.credentials);
    each.push_back({host.id, host.name, host.endpoint,
                    std::make_unique<AgentClient>(host.client->channel())});
  }
  size_t next = 0;  // AskAll begins them in their order
  return AskAll<v1::KillResponse>(
      each, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<v1::KillResponse> done) {
        v1::KillRequest one = request;
        one.set_pid(matches[next].pid);
        one.set_start_ticks(matches[next].start_ticks);
        ++next;
        return client.Kill(one, within, std::move(done));
      });
}

}  // namespace

std::vector<Match> MatchesOf(const Results<FoundProcesses>& results) {
  std::vector<Match> matches;
  for (size_t host = 0; host < results.size(); ++host) {
    if (results[host].ending.outcome != Outcome::kOk) continue;
    for (const v1::Process& process : results[host].response.list.processes()) {
      matches.push_back({host, process.pid(), process.start_ticks(),
                         process.command_line().empty()
                             ? process.name()
                             : process.command_line()});
    }
  }
  return matches;
}

std::string ViewMatches(const std::vector<Match>& matches,
                        const std::vector<std::string>& names) {
  std::map<std::string, std::vector<const Match*>> commands;
  for (const Match& match : matches) commands[match.command].push_back(&match);
  std::string text;
  for (const auto& [command, same] : commands) {
    std::vector<std::string> hosts;
    for (const Match* match : same) {
      if (hosts.empty() || hosts.back() != names[match->host]) {
        hosts.push_back(names[match->host]);
      }
    }
    std::string shown = EscapeControls(command.substr(0, kMostCommandShown));
    if (command.size() > kMostCommandShown) shown += "…";
    absl::StrAppend(&text, Counted(same.size(), "process"), " on ",
                    EscapeControls(ListHosts(hosts)), ": ", shown, "\n");
  }
  return text;
}

int KillByName(ClosedFleet& fleet, const NameOptions& name,
               const v1::KillRequest& request, bool confirmed,
               const FleetOptions& options, Interrupt& interrupt) {
  // A pattern that is wrong is said before any host is asked.
  const absl::StatusOr<ProcessPattern> pattern = ProcessPattern::Parse(name);
  if (!pattern.ok()) return UsageError(pattern.status());
  if (!confirmed && isatty(STDIN_FILENO) == 0) {
    return UsageError(absl::InvalidArgumentError(
        "kill --name asks before it kills, and there is no terminal to ask "
        "on; give --yes"));
  }
  const absl::Duration within = absl::Seconds(options.timeout_seconds);
  const std::vector<Target>& targets = fleet.targets;
  const auto found = AskAll<FoundProcesses>(
      fleet, interrupt,
      [&](AgentClient& client, AgentClient::OnAnswer<FoundProcesses> done) {
        return BeginFind(client, *pattern, v1::PROCESS_ORDER_CPU, within,
                         std::move(done));
      });
  if (interrupt.interrupted()) return kExitInterrupted;
  bool complete = true;
  std::vector<std::string> without;  // hosts that have no such process
  for (size_t i = 0; i < targets.size(); ++i) {
    const FoundProcesses& on_host = found[i].response;
    if (ReportFailure(targets[i], found[i].ending, found[i].elapsed,
                      options.json)) {
      complete = false;
    } else if (!on_host.gap.empty()) {
      SayOfHost(targets[i], on_host.gap);
      complete = false;
    } else if (on_host.list.processes().empty()) {
      without.push_back(HostLabel(targets[i]));
    }
  }
  const std::vector<Match> matches = MatchesOf(found);
  if (matches.empty()) {
    SayError(NothingFound(name.pattern, without, complete));
    return complete ? kExitFailed : kExitNoResult;
  }
  if (!options.json) Print(ViewMatches(matches, LabelsOf(targets)));
  if (!confirmed) {
    PrintErrorText(absl::StrCat("Signal ", Counted(matches.size(), "process"),
                                " on ", Counted(HostsOf(matches), "host"),
                                "? Type yes: "));
    std::string line;
    const bool read = ReadLine(interrupt, line);
    if (interrupt.interrupted()) return kExitInterrupted;
    if (!read || absl::StripAsciiWhitespace(line) != "yes") {
      SayError("nothing was signalled");
      return kExitFailed;
    }
  }
  const Results<v1::KillResponse> results =
      SignalAll(fleet, matches, request, within, interrupt);
  int64_t signalled = 0;
  std::string text;
  for (size_t i = 0; i < results.size(); ++i) {
    const Target& target = targets[matches[i].host];
    if (options.json) {
      text += JsonLine(target, results[i].ending, results[i].elapsed, "kill",
                       results[i].ending.outcome == Outcome::kOk
                           ? &results[i].response
                           : nullptr);
    } else if (results[i].ending.outcome != Outcome::kOk) {
      SayOfHost(target, absl::StrCat("pid ", matches[i].pid, ": ",
                                     EndingText(results[i].ending)));
    }
    complete = complete && results[i].ending.outcome == Outcome::kOk;
    signalled += results[i].response.signalled_count();
  }
  if (!options.json) {
    absl::StrAppend(&text, "signalled ",
                    Counted(static_cast<size_t>(signalled), "process"), "\n");
  }
  const ExitCode written = Print(text);
  if (interrupt.interrupted()) return kExitInterrupted;
  if (written != kExitOk) return written;
  return complete ? kExitOk : kExitNoResult;
}

}  // namespace specula::ctl
