#include "agent/metrics/processes.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
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

// What is sent of a command line and of a control group's path, so that a list
// stays within what clients take (see lib/rpc/message_limits.h).
constexpr size_t kCommandLineBytes = 4096;
constexpr size_t kCgroupBytes = 4096;

// Files of one scrape are not read at one moment.
constexpr absl::Duration kReadingTakes = absl::Seconds(2);
// btime is in whole seconds, and a clock that is set moves it a little later.
constexpr absl::Duration kClocksAgree = absl::Seconds(5);

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

// Cut to what ticks can say, so that the time of a start does not waver by what
// lies between two readings of clocks.
absl::Time InTicks(absl::Time time) {
  return absl::UnixEpoch() +
         absl::Trunc(time - absl::UnixEpoch(), TicksToDuration(1));
}

// A machine that is up for 100 years is none.
bool IsPossibleStart(const ProcessStat& process) {
  return TicksToDuration(process.start_ticks) < absl::Hours(24 * 36525);
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

absl::Time TickEpoch(const BootClocks& clocks, const ProcessList& processes,
                     absl::Time now) {
  absl::Duration youngest;
  for (const ProcessStat& process : processes) {
    if (IsPossibleStart(process))
      youngest = std::max(youngest, TicksToDuration(process.start_ticks));
  }
  std::optional<absl::Duration> by_boot_time;
  if (clocks.boot_time.has_value()) by_boot_time = now - *clocks.boot_time;
  for (const std::optional<absl::Duration>& since :
       {clocks.since_boot, clocks.uptime, by_boot_time}) {
    // What was read before a process started may be a little behind it.
    if (since.has_value() && *since + kReadingTakes >= youngest)
      return InTicks(now - std::max(*since, youngest));
  }
  return InTicks(now - youngest);
}

std::optional<absl::Time> BootTime(const BootClocks& clocks, absl::Time now) {
  std::optional<absl::Time> boot = clocks.boot_time;
  if (clocks.uptime.has_value()) {
    const absl::Time by_uptime = now - *clocks.uptime;
    if (!boot.has_value() ||
        absl::AbsDuration(by_uptime - *boot) > kClocksAgree) {
      boot = absl::FromUnixSeconds(absl::ToUnixSeconds(by_uptime));
    }
  }
  if (boot.has_value() && *boot > now) return std::nullopt;
  return boot;
}

std::optional<absl::Duration> SinceBoot(const ProcRoot& root) {
  struct statfs system;
  timespec time;
  if (statfs(root.Path("/proc").c_str(), &system) != 0 ||
      system.f_type != PROC_SUPER_MAGIC ||
      clock_gettime(CLOCK_BOOTTIME, &time) != 0) {
    return std::nullopt;
  }
  return absl::DurationFromTimespec(time);
}

ProcessDetails ReadProcessDetails(const ProcRoot& root, const UserNames& users,
                                  int64_t pid) {
  const std::string directory = absl::StrCat("/proc/", pid);
  ProcessDetails details;
  details.user = Owner(root, users, directory);
  absl::StatusOr<std::string> command =
      root.Read(absl::StrCat(directory, "/cmdline"));
  if (command.ok()) {
    details.command_line = ToUtf8(ParseCommandLine(*command, kCommandLineBytes),
                                  kCommandLineBytes);
  }
  absl::StatusOr<std::string> cgroup =
      root.Read(absl::StrCat(directory, "/cgroup"));
  if (cgroup.ok())
    details.cgroup = ToUtf8(ParseProcessCgroup(*cgroup), kCgroupBytes);
  return details;
}

void FillProcess(const RankedProcess& ranked, absl::Time epoch,
                 v1::Process* row) {
  static const int64_t page_bytes = sysconf(_SC_PAGESIZE);
  const ProcessStat& process = *ranked.process;
  row->set_pid(process.pid);
  row->set_parent_pid(process.parent_pid);
  row->set_start_ticks(process.start_ticks);
  if (IsPossibleStart(process)) {
    *row->mutable_start_time() =
        ToProto(epoch + TicksToDuration(process.start_ticks));
  }
  row->set_state(std::string(1, process.state));
  row->set_thread_count(process.threads);
  row->set_resident_bytes(
      SaturatingMultiply(process.resident_pages, page_bytes));
  if (ranked.cpu.has_value()) row->set_cpu_utilization(*ranked.cpu);
  *row->mutable_cpu_time() = ToProto(TicksToDuration(CpuTicks(process)));
  row->set_name(ToUtf8(process.name));
  row->set_command_line(absl::StrCat("[", row->name(), ": does not answer]"));
}

void FillDetails(const ProcessDetails& details, v1::Process* row) {
  row->set_user(details.user);
  row->set_command_line(details.command_line.empty()
                            ? absl::StrCat("[", row->name(), "]")
                            : details.command_line);
  row->set_cgroup(details.cgroup);
}

}  // namespace specula::agent
