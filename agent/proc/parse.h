#ifndef SPECULA_AGENT_PROC_PARSE_H_
#define SPECULA_AGENT_PROC_PARSE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"

// Pure parsers of the kernel's text files: text in, values out; no file is
// opened here. Text comes from other kernels, containers' file systems (lxcfs)
// and, for names, from hostile processes, so nothing is taken for granted:
// lines that are not understood are passed over, numbers are cut to 0 and
// INT64_MAX (so a difference always fits, a sum may not), and INVALID_ARGUMENT,
// naming the file, is given only where nothing useful is left.
namespace specula::agent {

// /proc/stat. Cores are sorted by number; ids are those of the cpuN lines.
// Needs a line for all CPUs or for one; without the former `total` is zero.
absl::StatusOr<CpuStat> ParseCpuStat(absl::string_view text);

// /proc/meminfo. Needs MemTotal, above 0. A value below 0, which lxcfs may come
// to by subtracting, is absent.
absl::StatusOr<MemInfo> ParseMemInfo(absl::string_view text);

// /proc/spl/kstat/zfs/arcstats. Needs size and c_min.
absl::StatusOr<ArcStats> ParseArcStats(absl::string_view text);

// memory.stat of a control group: bytes of inactive file cache, of the group
// with all below it; absent if no line says it.
std::optional<int64_t> ParseInactiveFile(absl::string_view text);

// /proc/loadavg.
absl::StatusOr<LoadAverage> ParseLoadAverage(absl::string_view text);

// /proc/uptime: seconds since boot.
absl::StatusOr<double> ParseUptime(absl::string_view text);

// /proc/pressure/{cpu,memory,io}. Needs a "some" line.
absl::StatusOr<PressureFile> ParsePressure(absl::string_view text);

// /proc/PID/mountinfo, in the order of the file.
std::vector<Mount> ParseMountInfo(absl::string_view text);

// Whether `path` is `directory` or below it. Both are absolute and end with no
// slash, but for the root.
bool IsWithin(absl::string_view path, absl::string_view directory);

// /proc/PID/mountinfo: how the /proc that is mounted at `path` was mounted;
// hiding nothing if there is none.
ProcMount ParseProcMount(absl::string_view mountinfo, absl::string_view path);

// /etc/fstab, in the order of the file; what is mounted nowhere (swap) is left
// out.
std::vector<FstabEntry> ParseFstab(absl::string_view text);

// /proc/diskstats, in the order of the file.
std::vector<DiskCounters> ParseDiskStats(absl::string_view text);

// /proc/net/dev, in the order of the file.
std::vector<InterfaceCounters> ParseNetDev(absl::string_view text);

// /proc/PID/stat. The name may hold anything, also ") R 1 (" and newlines.
absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text);

// /proc/PID/cmdline: arguments joined by spaces, at most `max_bytes`; trailing
// NULs are dropped. Empty for a kernel thread or a zombie.
std::string ParseCommandLine(absl::string_view text, size_t max_bytes);

// /proc/PID/cgroup: the path in the v2 hierarchy ("0::/path") if there is one
// and it is not "/", else the first other path that is not "/", else "/" or "".
std::string ParseProcessCgroup(absl::string_view text);

// PRETTY_NAME of os-release without its quotes and escapes; empty if absent.
std::string ParseOsName(absl::string_view text);

// "model name" of the first CPU of /proc/cpuinfo; where there is none (arm64),
// "Hardware" or "CPU implementer 0x41 part 0xd0c", else empty.
std::string ParseCpuModel(absl::string_view text);

// A kernel CPU list such as "0-3,8": how many CPUs. INVALID_ARGUMENT if odd or
// empty.
absl::StatusOr<int> CountCpuList(absl::string_view text);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_PARSE_H_
