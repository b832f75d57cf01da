#include "ctl/find_processes.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "re2/re2.h"

namespace specula::ctl {
namespace {

constexpr int kMostProcesses = 10000;    // what the contract allows to ask for
constexpr size_t kKernelNameBytes = 15;  // of which it keeps a name
constexpr absl::string_view kReplacement = "\xef\xbf\xbd";
constexpr absl::string_view kAgentName = "specula-agent";
constexpr absl::string_view kLogName = "specula-log";  // writes a Start's log

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// The name in `command_line` of which `cut` is the beginning: it begins with a
// word or behind a slash. Empty if there is none.
absl::string_view LongName(absl::string_view command_line,
                           absl::string_view cut) {
  // Each place before `at` has been looked at.
  for (size_t at = command_line.find(cut); at != absl::string_view::npos;
       at = command_line.find(cut, at + 1)) {
    if (at != 0 && command_line[at - 1] != '/' && command_line[at - 1] != ' ') {
      continue;
    }
    const size_t end = command_line.find_first_of(" /", at + cut.size());
    // A folder of that name is not the program.
    if (end != absl::string_view::npos && command_line[end] == '/') continue;
    return command_line.substr(at, end - at);
  }
  return "";
}

// Whether the agent could not read the command line in time, and says so.
bool IsSilent(const v1::Process& process) {
  return process.command_line() ==
         absl::StrCat("[", process.name(), ": does not answer]");
}

bool IsCut(const v1::Process& process) {
  return process.name().size() >= kKernelNameBytes ||
         absl::EndsWith(process.name(), kReplacement);
}

// Why some may match that do not seem to: what would match is not known. Empty
// if there are none.
std::string UnknownIn(const v1::ProcessesResponse& list,
                      const ProcessPattern& pattern) {
  const auto unknown =
      std::count_if(list.processes().begin(), list.processes().end(),
                    [&](const v1::Process& process) {
                      return IsSilent(process) && !pattern.Matches(process) &&
                             (pattern.full() || IsCut(process));
                    });
  if (unknown == 0) return "";
  return absl::StrCat("of ", unknown,
                      " of its processes the command line does not come, only "
                      "their short names were looked at");
}

bool IsKernelThread(const v1::Process& process) {
  return process.command_line() == absl::StrCat("[", process.name(), "]");
}

// The pids of ourselves and, with --full, of what we were called by.
std::set<int64_t> OwnPids(const v1::ProcessesResponse& list, const Self& self,
                          bool full) {
  std::map<int64_t, const v1::Process*> by_pid;
  for (const v1::Process& process : list.processes()) {
    by_pid[process.pid()] = &process;
  }
  std::set<int64_t> own;
  auto at = by_pid.find(self.pid);
  if (at == by_pid.end() || at->second->start_ticks() != self.start_ticks) {
    return own;
  }
  own.insert(self.pid);
  // Each turn goes one process up; one that was met before ends it.
  while (full && (at = by_pid.find(at->second->parent_pid())) != by_pid.end()) {
    if (!own.insert(at->first).second) break;
    if (!absl::StrContains(at->second->command_line(), "specula")) {
      own.erase(at->first);
      break;
    }
  }
  return own;
}

}  // namespace

void DeclareName(CLI::App* app, NameOptions& options,
                 const std::string& about) {
  CLI::Option* name = app->add_option("--name", options.pattern, about);
  app->add_flag("-f,--full", options.full,
                "--name may match anywhere in the command line, as of pkill")
      ->needs(name);
}

std::vector<std::string> NamesOf(const v1::Process& process) {
  std::vector<std::string> names = {process.name()};
  if (IsKernelThread(process) || IsSilent(process)) return names;
  const absl::string_view command_line = process.command_line();
  auto add = [&](absl::string_view name) {
    if (name.empty() ||
        std::find(names.begin(), names.end(), name) != names.end()) {
      return;
    }
    names.emplace_back(name);
  };
  add(BaseName(command_line.substr(0, command_line.find(' '))));
  // A character that was cut too was replaced by the agent.
  absl::string_view cut = process.name();
  while (absl::ConsumeSuffix(&cut, kReplacement)) {
  }
  if (IsCut(process) && !cut.empty()) add(LongName(command_line, cut));
  return names;
}

absl::StatusOr<ProcessPattern> ProcessPattern::Parse(
    const NameOptions& options) {
  auto expression = std::make_shared<const RE2>(options.pattern, RE2::Quiet);
  if (!expression->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--name: ", EscapeControls(expression->error())));
  }
  if (RE2::PartialMatch("", *expression)) {
    return absl::InvalidArgumentError(
        "--name: this matches every process; that cannot be meant");
  }
  return ProcessPattern(std::move(expression), options.full);
}

bool ProcessPattern::Matches(const v1::Process& process) const {
  if (process.pid() < 2 || IsKernelThread(process)) return false;
  const std::vector<std::string> names = NamesOf(process);
  auto is_agent = [](const std::string& name) {
    return name == kAgentName || name == kLogName;
  };
  if (std::any_of(names.begin(), names.end(), is_agent)) return false;
  auto is_meant = [this](const std::string& text) {
    return RE2::PartialMatch(text, *expression_);
  };
  return std::any_of(names.begin(), names.end(), is_meant) ||
         (full_ && !IsSilent(process) && is_meant(process.command_line()));
}

Self OurProcess() {
  const absl::StatusOr<std::string> stat = ReadFile("/proc/self/stat");
  if (!stat.ok()) return {};
  // "PID (NAME) STATE …": a name may hold anything, but is the last in
  // brackets.
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*stat).substr(stat->rfind(')') + 1), ' ',
                     absl::SkipEmpty());
  constexpr size_t kStart = 19;  // the 22nd field, of which two are before
  Self self;
  if (fields.size() <= kStart ||
      !absl::SimpleAtoi(fields[kStart], &self.start_ticks) ||
      !absl::SimpleAtoi(absl::string_view(*stat).substr(0, stat->find(' ')),
                        &self.pid)) {
    return {};
  }
  return self;
}

std::string GapOf(const v1::ProcessesResponse& list) {
  if (list.others_hidden()) {
    return absl::StrCat(
        "the host hides processes of other users from the agent (hidepid); "
        "only the ",
        list.total_count(), " that it sees were looked at");
  }
  // Not even its own.
  if (list.total_count() == 0 && list.processes().empty()) {
    return "the agent cannot read the host's processes";
  }
  if (list.total_count() > list.processes_size()) {
    return absl::StrCat("only ", list.processes_size(), " of its ",
                        list.total_count(), " processes were looked at");
  }
  return "";
}

absl::StatusOr<FoundProcesses> FindIn(v1::ProcessesResponse list,
                                      const ProcessPattern& pattern,
                                      const Self& self) {
  FoundProcesses found;
  found.gap = GapOf(list);
  const std::set<int64_t> own = OwnPids(list, self, pattern.full());
  if (found.gap.empty()) found.gap = UnknownIn(list, pattern);
  auto& rows = *list.mutable_processes();
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](const v1::Process& process) {
                              return own.count(process.pid()) != 0 ||
                                     !pattern.Matches(process);
                            }),
             rows.end());
  if (rows.empty() && !found.gap.empty()) {
    const std::string why =
        absl::StrCat(found.gap, ", and none of them has such a name");
    return list.total_count() > 0 && !list.others_hidden()
               ? absl::ResourceExhaustedError(why)
               : absl::PermissionDeniedError(why);
  }
  found.list = std::move(list);
  return found;
}

AgentClient::Call BeginFind(AgentClient& client, const ProcessPattern& pattern,
                            v1::ProcessOrder order, absl::Duration within,
                            AgentClient::OnAnswer<FoundProcesses> done) {
  v1::ProcessesRequest all;
  all.set_limit(kMostProcesses);
  all.set_order(order);
  return client.Processes(
      all, within,
      [&pattern, self = OurProcess(),
       done = std::move(done)](absl::StatusOr<v1::ProcessesResponse> list) {
        if (!list.ok()) return done(list.status());
        done(FindIn(*std::move(list), pattern, self));
      });
}

}  // namespace specula::ctl
