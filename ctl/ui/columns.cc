#include "ctl/ui/columns.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr size_t kLeastHostWidth = 10;
// Below this width nothing but the most important columns is shown.
constexpr size_t kNarrow = 48;
constexpr int kImportant = 90;

using Number = std::optional<double>;

Number Percent(const Number& fraction) {
  if (!fraction.has_value()) return std::nullopt;
  return *fraction * 100;
}

// What stands for a value that is not there.
constexpr char kNone[] = "-";

std::string OneDecimal(const Number& number) {
  return number.has_value() ? absl::StrFormat("%.1f", *number) : kNone;
}

std::string Whole(const Number& number) {
  return number.has_value() ? absl::StrFormat("%.0f", *number) : kNone;
}

std::string Rate(const Number& number) {
  return number.has_value() ? ShortBytes(*number) : kNone;
}

template <std::optional<double> HostValues::*kField>
Number PercentOf(const HostRow& row, absl::Time) {
  return Percent(row.values.*kField);
}

template <std::optional<double> HostValues::*kField>
Number PlainOf(const HostRow& row, absl::Time) {
  return row.values.*kField;
}

template <Number (*kNumber)(const HostRow&, absl::Time),
          std::string (*kText)(const Number&)>
std::string TextOf(const HostRow& row, absl::Time now) {
  return kText(kNumber(row, now));
}

Number PressureOf(const HostRow& row, absl::Time) {
  return Percent(row.values.pressure());
}

Number UsedOf(const HostRow& row, absl::Time) {
  if (row.values.memory_total_bytes <= 0) return std::nullopt;
  return static_cast<double>(row.values.memory_used_bytes);
}

std::string UsedText(const HostRow& row, absl::Time) {
  if (row.values.memory_total_bytes <= 0) return kNone;
  return absl::StrCat(
      ShortBytes(static_cast<double>(row.values.memory_used_bytes)), "/",
      ShortBytes(static_cast<double>(row.values.memory_total_bytes)));
}

std::string LoadText(const HostRow& row, absl::Time) {
  return row.values.load_per_core.has_value()
             ? absl::StrFormat("%.2f", *row.values.load_per_core)
             : kNone;
}

std::string MemoryText(const HostRow& row, absl::Time) {
  const Number percent = Percent(row.values.memory);
  return row.values.memory_estimated ? absl::StrCat(Whole(percent), "~")
                                     : OneDecimal(percent);
}

std::string DiskText(const HostRow& row, absl::Time) {
  return absl::StrCat(Whole(Percent(row.values.disk)),
                      row.values.disk_read_only.empty() ? "" : "!",
                      row.values.disk_stalled ? "?" : "");
}

Number UptimeOf(const HostRow& row, absl::Time) {
  if (!row.values.uptime.has_value()) return std::nullopt;
  return absl::ToDoubleSeconds(*row.values.uptime);
}

// In one unit; rounded up where the number is an age.
std::string ShortTime(double seconds, bool up) {
  struct Unit {
    double seconds;
    char letter;
  };
  for (const Unit& unit : {Unit{86400, 'd'}, Unit{3600, 'h'}, Unit{60, 'm'}}) {
    if (seconds >= 2 * unit.seconds) {
      const double count = seconds / unit.seconds;
      return absl::StrFormat(
          "%.0f%c", up ? std::ceil(count) : std::floor(count), unit.letter);
    }
  }
  return absl::StrFormat("%.0fs",
                         up ? std::ceil(seconds) : std::floor(seconds));
}

std::string UptimeText(const HostRow& row, absl::Time now) {
  const Number uptime = UptimeOf(row, now);
  return uptime.has_value() ? ShortTime(*uptime, false) : kNone;
}

Number AgeNumber(const HostRow& row, absl::Time now) {
  const absl::Duration age = FleetModel::AgeOf(row, now);
  if (age == absl::InfiniteDuration()) return std::nullopt;
  return std::max(absl::ToDoubleSeconds(age), 0.0);
}

// Rounded up: nothing on the screen is older than this says.
std::string AgeText(const HostRow& row, absl::Time now) {
  const Number age = AgeNumber(row, now);
  return age.has_value() ? ShortTime(*age, true) : "";
}

Number NoNumber(const HostRow&, absl::Time) { return std::nullopt; }

std::string HostText(const HostRow& row, absl::Time) { return row.host.name; }

std::string MountText(const HostRow& row, absl::Time) {
  if (!row.values.disk_read_only.empty()) {
    return absl::StrCat("READ-ONLY ", row.values.disk_read_only);
  }
  return row.values.disk_mount.empty() ? kNone : row.values.disk_mount;
}

std::string KernelText(const HostRow& row, absl::Time) {
  return row.values.kernel;
}

// Drawn by the table, which knows how.
std::string NoText(const HostRow&, absl::Time) { return ""; }

Number AlertNumber(const HostRow& row, absl::Time) {
  const std::string alert = AlertOf(row);
  return alert.empty() ? 0 : alert == "w" ? 1 : 2;
}

std::string AlertText(const HostRow& row, absl::Time) { return AlertOf(row); }

constexpr std::array<Column, 23> kColumns = {{
    {ColumnId::kHost, "HOST", "", 10, false, 100, NoNumber, HostText, false,
     "The name in the inventory or the host set."},
    {ColumnId::kCpu, "CPU%", "cpu", 5, true, 99, PercentOf<&HostValues::cpu>,
     TextOf<PercentOf<&HostValues::cpu>, OneDecimal>, true,
     "Percent of the whole machine that was not idle: 1 - idle - iowait over "
     "the time since the snapshot before. Source: /proc/stat."},
    {ColumnId::kTrend, "TREND", "", 10, false, 40, NoNumber, NoText, false,
     "CPU% of the last snapshots, the newest on the right; a gap is a time "
     "without one."},
    {ColumnId::kUser, "USR", "user", 5, true, 22, PercentOf<&HostValues::user>,
     TextOf<PercentOf<&HostValues::user>, OneDecimal>, true,
     "Percent of the machine's CPU time in user mode, nice included. Source: "
     "/proc/stat."},
    {ColumnId::kSystem, "SYS", "system", 5, true, 21,
     PercentOf<&HostValues::system>,
     TextOf<PercentOf<&HostValues::system>, OneDecimal>, true,
     "Percent of the machine's CPU time in kernel mode, interrupts included. "
     "Source: /proc/stat."},
    {ColumnId::kIoWait, "IOW", "iowait", 5, true, 23,
     PercentOf<&HostValues::iowait>,
     TextOf<PercentOf<&HostValues::iowait>, OneDecimal>, true,
     "Percent of the machine's CPU time idle while a disk request was "
     "outstanding. Source: /proc/stat."},
    {ColumnId::kSteal, "ST%", "steal", 4, true, 50,
     PercentOf<&HostValues::steal>,
     TextOf<PercentOf<&HostValues::steal>, OneDecimal>, true,
     "Percent of the machine's CPU time that the hypervisor gave to other "
     "guests. Source: /proc/stat."},
    {ColumnId::kLoad, "LOAD/C", "load", 6, true, 70,
     PlainOf<&HostValues::load_per_core>, LoadText, false,
     "Load average of 1 minute for each online core: above 1 tasks wait. "
     "Source: /proc/loadavg."},
    {ColumnId::kMemory, "MEM%", "mem", 5, true, 98,
     PercentOf<&HostValues::memory>, MemoryText, true,
     "Percent of memory in use: (total - available) / total. A ~ says that it "
     "is estimated, as what the kernel says cannot be. Source: /proc/meminfo, "
     "and arcstats of ZFS."},
    {ColumnId::kUsed, "USED/TOT", "", 11, true, 28, UsedOf, UsedText, false,
     "Memory in use (total - available) and in all. Source: /proc/meminfo."},
    {ColumnId::kSwap, "SW%", "swap", 4, true, 26, PercentOf<&HostValues::swap>,
     TextOf<PercentOf<&HostValues::swap>, Whole>, true,
     "Percent of swap in use: total - free - cached. Source: /proc/meminfo."},
    {ColumnId::kDisk, "DISK%", "disk", 5, true, 80,
     PercentOf<&HostValues::disk>, DiskText, true,
     "Percent in use of the fullest writable file system, as df shows it: used "
     "/ (used + available). A ! says that one turned read-only, a ? that "
     "another one does not answer. Source: statvfs."},
    {ColumnId::kMount, "WORST MOUNT", "mount", 14, false, 20, NoNumber,
     MountText, false,
     "Where the file system of DISK% is mounted. Source: /proc/1/mountinfo. If "
     "one turned read-only, as an error on the disk makes it: READ-ONLY and "
     "where."},
    {ColumnId::kRead, "IO-R", "read", 5, true, 25,
     PlainOf<&HostValues::read_rate>,
     TextOf<PlainOf<&HostValues::read_rate>, Rate>, false,
     "Bytes read per second from all whole disks. Source: /proc/diskstats."},
    {ColumnId::kWrite, "IO-W", "write", 5, true, 24,
     PlainOf<&HostValues::write_rate>,
     TextOf<PlainOf<&HostValues::write_rate>, Rate>, false,
     "Bytes written per second to all whole disks. Source: /proc/diskstats."},
    {ColumnId::kPressure, "PSI", "psi", 4, true, 65, PressureOf,
     TextOf<PressureOf, OneDecimal>, true,
     "Percent of the last 10 s in which some task waited, for CPU, memory or "
     "IO, whichever is most. Source: /proc/pressure."},
    {ColumnId::kTemperature, "TEMP", "temp", 4, true, 27,
     PlainOf<&HostValues::temperature>,
     TextOf<PlainOf<&HostValues::temperature>, Whole>, false,
     "The hottest sensor, degrees Celsius. Source: /sys/class/hwmon."},
    {ColumnId::kReceive, "RX/s", "rx", 5, true, 62,
     PlainOf<&HostValues::receive_rate>,
     TextOf<PlainOf<&HostValues::receive_rate>, Rate>, false,
     "Bytes received per second by interfaces with hardware behind them. "
     "Source: /proc/net/dev."},
    {ColumnId::kTransmit, "TX/s", "tx", 5, true, 61,
     PlainOf<&HostValues::transmit_rate>,
     TextOf<PlainOf<&HostValues::transmit_rate>, Rate>, false,
     "Bytes sent per second by interfaces with hardware behind them. Source: "
     "/proc/net/dev."},
    {ColumnId::kUptime, "UP", "up", 4, true, 30, UptimeOf, UptimeText, false,
     "How long the host has been up. Source: /proc/uptime."},
    {ColumnId::kKernel, "KERNEL", "kernel", 16, false, 10, NoNumber, KernelText,
     false, "The kernel's release, as uname -r."},
    {ColumnId::kAge, "AGE", "age", 4, true, 97, AgeNumber, AgeText, false,
     "How long ago the newest snapshot came, rounded up, by this machine's "
     "clock. Of a host that never answered: for how long it is known to be "
     "down."},
    {ColumnId::kAlert, "AL", "alert", 2, false, 96, AlertNumber, AlertText,
     false,
     "!C !M !F !P: CPU, memory, a file system or pressure is at 90 % or more. "
     "!F also: one turned read-only. !D: down. w: something is at 70 % or "
     "more, does not answer or cannot be read."},
}};

}  // namespace

absl::Span<const Column> AllColumns() { return kColumns; }

const Column& ColumnOf(ColumnId id) {
  return *std::find_if(kColumns.begin(), kColumns.end(),
                       [id](const Column& column) { return column.id == id; });
}

ChosenColumns ChooseColumns(size_t width, size_t host_width,
                            const std::set<ColumnId>& hidden) {
  std::vector<const Column*> by_rank;
  for (const Column& column : kColumns) {
    if (hidden.count(column.id) == 0) by_rank.push_back(&column);
  }
  std::sort(by_rank.begin(), by_rank.end(),
            [](const Column* a, const Column* b) { return a->rank > b->rank; });
  // A name that is cut is no name: it goes before what matters less.
  const size_t host = std::clamp(host_width, kLeastHostWidth,
                                 std::max(kLeastHostWidth, width / 4));
  size_t used = kMarkWidth + host;
  std::vector<const Column*> chosen;
  for (const Column* column : by_rank) {
    if (column->id != ColumnId::kHost) {
      // A column that does not fit ends the choice: a narrower screen shows
      // less, never something else.
      if (used + 1 + column->width > width) break;
      if (width < kNarrow && column->rank < kImportant) break;
      used += 1 + column->width;
    }
    chosen.push_back(column);
  }
  std::sort(chosen.begin(), chosen.end());  // as they lie in kColumns
  const size_t room = width > used ? width - used : 0;
  return {std::move(chosen), std::clamp(host_width, host, host + room)};
}

Style StyleOf(const Column& column, std::optional<double> number) {
  if (!column.fills || !number.has_value()) return Style::kPlain;
  return *number >= kCriticalPercent  ? Style::kCritical
         : *number >= kWarningPercent ? Style::kWarning
                                      : Style::kPlain;
}

std::string AlertOf(const HostRow& row) {
  if (row.down) return "!D";
  if (row.last == nullptr) return "";
  const HostValues& values = row.values;
  struct Limit {
    Number percent;
    const char* letters;
  };
  const Limit limits[] = {{Percent(values.cpu), "!C"},
                          {Percent(values.memory), "!M"},
                          {Percent(values.disk), "!F"},
                          {Percent(values.pressure()), "!P"}};
  if (!values.disk_read_only.empty()) return "!F";
  bool warning = values.disk_stalled || values.has_problems;
  for (const Limit& limit : limits) {
    if (limit.percent.value_or(0) >= kCriticalPercent) return limit.letters;
    warning |= limit.percent.value_or(0) >= kWarningPercent;
  }
  return warning ? "w" : "";
}

absl::Duration AgeHolds(absl::Duration age) {
  // From here on they are told in minutes.
  if (age >= absl::Minutes(2)) return absl::InfiniteDuration();
  return std::max(absl::Ceil(age, absl::Seconds(1)), absl::Seconds(0)) - age;
}

std::string ShortBytes(double bytes) {
  if (!(bytes >= 0.5)) return "0";
  const char* letter = "BKMGTPE";
  while (bytes >= 999.5 && letter[1] != '\0') {
    bytes /= 1024;
    ++letter;
  }
  // "9.96" is "10" and not "10.0".
  return bytes < 9.95 && *letter != 'B'
             ? absl::StrFormat("%.1f%c", bytes, *letter)
             : absl::StrFormat("%.0f%c", bytes, *letter);
}

}  // namespace specula::ctl
