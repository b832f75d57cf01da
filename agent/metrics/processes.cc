#include "agent/metrics/processes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/metrics/saturating.h"
#include "agent/metrics/to_proto.h"
#include "agent/proc/parse.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

constexpr size_t kCommandLineBytes = 4096;

int64_t TicksPerSecond() {
  static const int64_t ticks = sysconf(_SC_CLK_TCK);
  return ticks;
}

int64_t CpuTicks(const ProcessStat& process) {
  return SaturatingAdd(process.user_ticks, process.system_ticks);
}

absl::Duration TicksToDuration(int64_t ticks) {
  return absl::Seconds(1) * ticks / TicksPerSecond();
}

bool IsPid(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

std::string Owner(const ProcRoot& root, const UserNames& users,
                  const std::string& directory) {
  struct stat info;
  if (stat(root.Path(directory).c_str(), &info) != 0) return "";
  return users.Name(info.st_uid);
}

}  // namespace

ProcessList ReadProcessList(const ProcRoot& root) {
  ProcessList table;
  absl::StatusOr<std::vector<std::string>> names = root.List("/proc");
  if (!names.ok()) return table;
  table.reserve(names->size());
  for (const std::string& name : *names) {
    if (!IsPid(name)) continue;
    absl::StatusOr<std::string> text =
        root.Read(absl::StrCat("/proc/", name, "/stat"));
    if (!text.ok()) continue;
    absl::StatusOr<ProcessStat> process = ParseProcessStat(*text);
    if (process.ok()) table.push_back(*std::move(process));
  }
  std::sort(
      table.begin(), table.end(),
      [](const ProcessStat& a, const ProcessStat& b) { return a.pid < b.pid; });
  return table;
}

std::vector<RankedProcess> RankProcesses(const ProcessList* previous,
                                         const ProcessList& current,
                                         absl::Duration window,
                                         v1::ProcessOrder order, size_t limit) {
  const double ticks =
      absl::ToDoubleSeconds(window) * static_cast<double>(TicksPerSecond());
  std::vector<RankedProcess> ranked;
  ranked.reserve(current.size());
  size_t before = 0;
  for (const ProcessStat& process : current) {
    RankedProcess row{&process, std::nullopt};
    if (previous != nullptr && ticks > 0) {
      while (before < previous->size() && (*previous)[before].pid < process.pid)
        ++before;
      if (before < previous->size() && (*previous)[before].pid == process.pid &&
          (*previous)[before].start_ticks == process.start_ticks) {
        const int64_t grown = CpuTicks(process) - CpuTicks((*previous)[before]);
        row.cpu = std::max(0.0, static_cast<double>(grown) / ticks);
      }
    }
    ranked.push_back(row);
  }
  auto cpu_first = [](const RankedProcess& a, const RankedProcess& b) {
    return std::make_tuple(-a.cpu.value_or(0), -a.process->resident_pages,
                           a.process->pid) <
           std::make_tuple(-b.cpu.value_or(0), -b.process->resident_pages,
                           b.process->pid);
  };
  auto memory_first = [](const RankedProcess& a, const RankedProcess& b) {
    return std::make_pair(-a.process->resident_pages, a.process->pid) <
           std::make_pair(-b.process->resident_pages, b.process->pid);
  };
  auto end =
      ranked.begin() + static_cast<ptrdiff_t>(std::min(limit, ranked.size()));
  if (order == v1::PROCESS_ORDER_MEMORY) {
    std::partial_sort(ranked.begin(), end, ranked.end(), memory_first);
  } else {
    std::partial_sort(ranked.begin(), end, ranked.end(), cpu_first);
  }
  ranked.erase(end, ranked.end());
  return ranked;
}

UserNames::UserNames(const ProcRoot& root) {
  absl::StatusOr<std::string> passwd = root.Read("/etc/passwd");
  if (!passwd.ok()) return;
  for (absl::string_view line : absl::StrSplit(*passwd, '\n')) {
    std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(':', 3));
    int64_t uid = 0;
    if (fields.size() == 4 && absl::SimpleAtoi(fields[2], &uid)) {
      names_.emplace_back(uid, std::string(fields[0]));
    }
  }
}

std::string UserNames::Name(int64_t uid) const {
  // The first line of a uid has its name, as for getpwuid.
  for (const auto& [known, name] : names_) {
    if (known == uid) return ToUtf8(name);
  }
  return absl::StrCat(uid);
}

void FillProcess(const ProcRoot& root, const UserNames& users,
                 const RankedProcess& ranked, absl::Time boot_time,
                 v1::Process* row) {
  static const int64_t page_bytes = sysconf(_SC_PAGESIZE);
  const ProcessStat& process = *ranked.process;
  const std::string directory = absl::StrCat("/proc/", process.pid);
  row->set_pid(process.pid);
  row->set_parent_pid(process.parent_pid);
  row->set_start_ticks(process.start_ticks);
  *row->mutable_start_time() =
      ToProto(boot_time + TicksToDuration(process.start_ticks));
  row->set_user(Owner(root, users, directory));
  row->set_state(std::string(1, process.state));
  row->set_thread_count(process.threads);
  row->set_resident_bytes(
      SaturatingMultiply(process.resident_pages, page_bytes));
  if (ranked.cpu.has_value()) row->set_cpu_utilization(*ranked.cpu);
  *row->mutable_cpu_time() = ToProto(TicksToDuration(CpuTicks(process)));
  row->set_name(ToUtf8(process.name));
  absl::StatusOr<std::string> command =
      root.Read(absl::StrCat(directory, "/cmdline"));
  if (command.ok()) {
    row->set_command_line(
        ToUtf8(ParseCommandLine(*command, kCommandLineBytes)));
  }
  if (row->command_line().empty()) {
    row->set_command_line(absl::StrCat("[", row->name(), "]"));
  }
  absl::StatusOr<std::string> cgroup =
      root.Read(absl::StrCat(directory, "/cgroup"));
  if (cgroup.ok()) row->set_cgroup(ToUtf8(ParseProcessCgroup(*cgroup)));
}

}  // namespace specula::agent
