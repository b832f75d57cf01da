#ifndef SPECULA_AGENT_PROC_COUNTERS_H_
#define SPECULA_AGENT_PROC_COUNTERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What the kernel's text files say, as plain values and in the kernel's own
// units, which each field's name or comment gives. The Parse functions beside
// this header fill them; nothing here computes.
namespace specula::agent {

// CPU time by state in clock ticks since boot. Guest time is part of user and
// nice and is not read.
struct CpuCounters {
  int64_t user = 0;
  int64_t nice = 0;
  int64_t system = 0;
  int64_t idle = 0;
  int64_t iowait = 0;
  int64_t irq = 0;
  int64_t softirq = 0;
  int64_t steal = 0;
  bool operator==(const CpuCounters&) const = default;
};

// /proc/stat.
struct CpuStat {
  CpuCounters total;
  // Online cores: the kernel's number and counters, by number, each once.
  std::vector<std::pair<int, CpuCounters>> cores;
  // Seconds since the epoch at which the host was started; 0 if absent.
  int64_t boot_time_seconds = 0;
};

// /proc/meminfo in bytes; a line that is missing is absent.
struct MemInfo {
  std::optional<int64_t> total, available, free, cached, reclaimable_slab,
      buffers, shared, dirty, swap_total, swap_free, swap_cached, hugepage_size;
  // Numbers of pages.
  std::optional<int64_t> hugepages_total, hugepages_free;
};

// /proc/spl/kstat/zfs/arcstats: the cache of ZFS, in bytes.
struct ArcStats {
  int64_t size = 0;
  int64_t least = 0;  // c_min: what it keeps whatever is asked for
};

// /proc/loadavg.
struct LoadAverage {
  double one_minute = 0;
  double five_minutes = 0;
  double fifteen_minutes = 0;
  int runnable = 0;
  int tasks = 0;
};

// One line of /proc/pressure/*: shares of time, 0 to 1.
struct PressureShares {
  double ten_seconds = 0;
  double one_minute = 0;
  double five_minutes = 0;
};
struct PressureFile {
  PressureShares some;
  std::optional<PressureShares> full;
};

// What the options of a super block say of writing.
enum class SuperBlock {
  kWritable,
  kReadOnly,
  kFailed,  // an error has ended it: ext4 says emergency_ro or shutdown
};

// One line of mountinfo; see proc_pid_mountinfo(5). Octal escapes are undone.
struct Mount {
  int id = 0;
  std::string device;  // major:minor
  std::string root;    // the part of the file system that is mounted
  std::string mount_point;
  std::string type;
  std::string source;
  bool read_only = false;      // by the mount's or the super block's options
  bool own_read_only = false;  // by the mount's
  SuperBlock super_block = SuperBlock::kWritable;
  bool remounts_on_error = false;  // errors=remount-ro
  // Not of the file: what SelectMounts finds.
  bool turned_read_only = false;
};

// One line of /etc/fstab. Octal escapes are undone.
struct FstabEntry {
  std::string mount_point;  // without a trailing slash
  bool read_only = false;
  bool at_boot = true;  // not noauto
};

// What the mount of a /proc keeps from those who read it; see proc(5).
struct ProcMount {
  enum class Hides {
    kNothing,
    kProcesses,        // of other users: hidepid=1 and 2
    kAllButTraceable,  // also from the group: hidepid=4
  };
  Hides hides = Hides::kNothing;
  std::optional<int64_t> group;  // gid=, from which nothing is hidden
  bool only_processes = false;   // subset=pid
};

// One line of /proc/diskstats; sectors are of 512 bytes whatever the device.
struct DiskCounters {
  std::string name;
  int64_t reads = 0;
  int64_t sectors_read = 0;
  int64_t read_milliseconds = 0;
  int64_t writes = 0;
  int64_t sectors_written = 0;
  int64_t write_milliseconds = 0;
  int64_t busy_milliseconds = 0;
};

// One line of /proc/net/dev.
struct InterfaceCounters {
  std::string name;
  int64_t received_bytes = 0;
  int64_t received_errors = 0;
  int64_t received_dropped = 0;
  int64_t transmitted_bytes = 0;
  int64_t transmitted_errors = 0;
  int64_t transmitted_dropped = 0;
};

// /proc/PID/stat.
struct ProcessStat {
  int64_t pid = 0;
  std::string name;  // between the first ( and the last )
  char state = '?';
  int64_t parent_pid = 0;
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
  int64_t threads = 0;
  int64_t start_ticks = 0;     // since boot
  int64_t resident_pages = 0;  // field 24
  bool kernel_thread = false;  // PF_KTHREAD in the flags
};

// Limits of one control group; a file that is missing or says "max" is absent.
struct CgroupFiles {
  std::optional<double> cpu_quota;      // CPUs: quota / period
  std::optional<int> cpuset_count;      // CPUs in the effective set
  std::optional<int64_t> memory_limit;  // bytes
  std::optional<int64_t> memory_usage;  // bytes, with all file cache
  // File cache, part of the usage, that the kernel drops on demand: bytes.
  std::optional<int64_t> inactive_file;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_COUNTERS_H_
