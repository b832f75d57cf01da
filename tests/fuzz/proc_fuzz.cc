// Feeds one text to every parser of agent/proc/parse.h; a value that breaks its
// contract ends the program.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"

namespace specula::agent {
namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckCounts(std::initializer_list<int64_t> counts) {
  for (int64_t count : counts) Check(count >= 0);
}

void CheckCpu(absl::string_view text) {
  if (auto stat = ParseCpuStat(text); stat.ok()) {
    int previous = -1;
    for (const auto& [number, c] : stat->cores) {
      Check(number > previous);
      previous = number;
      CheckCounts({c.user, c.nice, c.system, c.idle, c.iowait, c.irq, c.softirq,
                   c.steal});
    }
    CheckCounts({stat->total.user, stat->total.steal, stat->boot_time_seconds});
  }
  if (auto count = CountCpuList(text); count.ok()) Check(*count > 0);
  // The other shape is "CPU implementer X part Y".
  const std::string model = ParseCpuModel(text);
  Check(absl::StrContains(text, model) ||
        absl::StartsWith(model, "CPU implementer "));
}

void CheckMemory(absl::string_view text) {
  if (auto arc = ParseArcStats(text); arc.ok())
    CheckCounts({arc->size, arc->least});
  CheckCounts({ParseInactiveFile(text).value_or(0)});
  auto info = ParseMemInfo(text);
  if (!info.ok()) return;
  Check(info->total.value() > 0);
  CheckCounts({info->available.value_or(0), info->free.value_or(0),
               info->swap_total.value_or(0), info->hugepages_free.value_or(0)});
}

void CheckSystem(absl::string_view text) {
  if (auto load = ParseLoadAverage(text); load.ok()) {
    Check(std::isfinite(load->one_minute) && load->one_minute >= 0);
    CheckCounts({load->runnable, load->tasks});
  }
  if (auto uptime = ParseUptime(text); uptime.ok()) {
    Check(std::isfinite(*uptime) && *uptime >= 0);
  }
  if (auto pressure = ParsePressure(text); pressure.ok()) {
    Check(pressure->some.ten_seconds >= 0 && pressure->some.ten_seconds <= 1);
    Check(!pressure->full || pressure->full->five_minutes <= 1);
  }
  Check(ParseOsName(text).size() <= text.size());
}

void CheckDevices(absl::string_view text) {
  for (const Mount& mount : ParseMountInfo(text)) {
    Check(mount.id >= 0 && !mount.type.empty() && !mount.mount_point.empty());
    Check(mount.root.size() + mount.mount_point.size() + mount.source.size() <
          text.size());
    Check(absl::StrContains(text, mount.device));
  }
  CheckCounts({ParseProcMount(text, "/proc").group.value_or(0)});
  for (const FstabEntry& entry : ParseFstab(text)) {
    Check(!entry.mount_point.empty() && entry.mount_point.front() == '/' &&
          entry.mount_point.size() <= text.size());
  }
  for (const DiskCounters& disk : ParseDiskStats(text)) {
    Check(!disk.name.empty() && absl::StrContains(text, disk.name));
    CheckCounts({disk.reads, disk.sectors_read, disk.read_milliseconds,
                 disk.writes, disk.sectors_written, disk.write_milliseconds,
                 disk.busy_milliseconds});
  }
  for (const InterfaceCounters& nic : ParseNetDev(text)) {
    Check(!nic.name.empty() && absl::StrContains(text, nic.name));
    CheckCounts({nic.received_bytes, nic.received_errors, nic.received_dropped,
                 nic.transmitted_bytes, nic.transmitted_errors,
                 nic.transmitted_dropped});
  }
}

void CheckProcess(absl::string_view text) {
  if (auto stat = ParseProcessStat(text); stat.ok()) {
    Check(absl::StrContains(text, absl::StrCat("(", stat->name, ")")));
    CheckCounts({stat->pid, stat->parent_pid, stat->user_ticks,
                 stat->system_ticks, stat->threads, stat->start_ticks,
                 stat->resident_pages});
  }
  constexpr size_t kMaxBytes = 64;
  const std::string line = ParseCommandLine(text, kMaxBytes);
  Check(line.size() <= kMaxBytes && !absl::StrContains(line, '\0'));
  const std::string group = ParseProcessCgroup(text);
  Check(group.empty() ||
        (group.front() == '/' && absl::StrContains(text, group)));
}

}  // namespace
}  // namespace specula::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  specula::agent::CheckCpu(text);
  specula::agent::CheckMemory(text);
  specula::agent::CheckSystem(text);
  specula::agent::CheckDevices(text);
  specula::agent::CheckProcess(text);
  return 0;
}
