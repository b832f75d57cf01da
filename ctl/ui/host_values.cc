#include "ctl/ui/host_values.h"

#include <algorithm>
#include <cmath>

#include "ctl/from_proto.h"

namespace specula::ctl {
namespace {

// Beyond what hardware does: 100 TB/s and 16 TiB of CPUs are lies or mistakes.
constexpr double kMostRate = 1e14;
constexpr int kMostCores = 1 << 16;
constexpr double kMostLoad = 1e6;
// Longer than any path; what sorts and filters look at is bounded.
constexpr size_t kMostText = 4096;
// Rounding may carry a sum of fractions a little beyond 1.
constexpr double kRounding = 1e-6;

std::optional<double> Fraction(double value) {
  if (!IsFraction(value)) return std::nullopt;
  return std::clamp(value, 0.0, 1.0);
}

std::optional<double> Rate(double value) {
  if (!(value >= 0 && value <= kMostRate)) return std::nullopt;
  return value;
}

std::optional<double> PressureOf(bool present, const v1::Pressure& pressure) {
  if (!present || !pressure.has_some()) return std::nullopt;
  return Fraction(pressure.some().ten_seconds());
}

void ReadCpu(const v1::StatusResponse& status, HostValues& values) {
  const v1::Cpu& cpu = status.cpu();
  if (cpu.has_utilization()) values.cpu = Fraction(cpu.utilization());
  if (cpu.has_times()) {
    values.user = Fraction(cpu.times().user() + cpu.times().nice());
    values.system = Fraction(cpu.times().system() + cpu.times().irq() +
                             cpu.times().softirq());
    values.iowait = Fraction(cpu.times().iowait());
    values.steal = Fraction(cpu.times().steal());
  }
  if (cpu.logical_count() > 0 && cpu.logical_count() <= kMostCores) {
    values.cores = cpu.logical_count();
  }
  const double load = status.load().one_minute();
  if (status.has_load() && values.cores > 0 && load >= 0 && load <= kMostLoad) {
    values.load_per_core = load / values.cores;
  }
}

void ReadMemory(const v1::Memory& memory, HostValues& values) {
  if (memory.has_utilization()) values.memory = Fraction(memory.utilization());
  values.memory_estimated = memory.quality() == v1::QUALITY_CLAMPED;
  values.memory_used_bytes = std::max<int64_t>(memory.used_bytes(), 0);
  values.memory_total_bytes = std::max<int64_t>(memory.total_bytes(), 0);
  if (memory.swap_total_bytes() > 0) {
    values.swap = Fraction(static_cast<double>(memory.swap_used_bytes()) /
                           static_cast<double>(memory.swap_total_bytes()));
  }
}

void ReadDisk(const v1::Disk& disk, HostValues& values) {
  for (const v1::Filesystem& filesystem : disk.filesystems()) {
    if (filesystem.quality() == v1::QUALITY_STALLED) values.disk_stalled = true;
    if (filesystem.turned_read_only() && values.disk_read_only.empty()) {
      values.disk_read_only = filesystem.mount_point().substr(0, kMostText);
    }
    const std::optional<double> used = FillOf(filesystem);
    if (used.has_value() &&
        (!values.disk.has_value() || *used > *values.disk)) {
      values.disk = used;
      values.disk_mount = filesystem.mount_point().substr(0, kMostText);
    }
  }
  for (const v1::BlockDevice& device : disk.devices()) {
    if (device.quality() != v1::QUALITY_OK) continue;
    const std::optional<double> read = Rate(device.read_bytes_per_second());
    const std::optional<double> written =
        Rate(device.written_bytes_per_second());
    if (read) values.read_rate = values.read_rate.value_or(0) + *read;
    if (written) values.write_rate = values.write_rate.value_or(0) + *written;
  }
}

}  // namespace

bool IsFraction(double value) {
  return value >= -kRounding && value <= 1 + kRounding;  // false for NaN
}

std::optional<double> FillOf(const v1::Filesystem& filesystem) {
  // A read-only image is always full.
  if (!filesystem.has_utilization() ||
      (filesystem.read_only() && !filesystem.turned_read_only())) {
    return std::nullopt;
  }
  return Fraction(filesystem.utilization());
}

std::optional<double> HostValues::pressure() const {
  std::optional<double> most;
  for (const std::optional<double>& one :
       {cpu_pressure, memory_pressure, io_pressure}) {
    if (one.has_value() && (!most.has_value() || *one > *most)) most = one;
  }
  return most;
}

HostValues ValuesOf(const v1::StatusResponse& status) {
  HostValues values;
  ReadCpu(status, values);
  ReadMemory(status.memory(), values);
  ReadDisk(status.disk(), values);
  values.cpu_pressure =
      PressureOf(status.has_cpu_pressure(), status.cpu_pressure());
  values.memory_pressure =
      PressureOf(status.has_memory_pressure(), status.memory_pressure());
  values.io_pressure =
      PressureOf(status.has_io_pressure(), status.io_pressure());
  const v1::Network& network = status.network();
  if (network.has_received_bytes_per_second()) {
    values.receive_rate = Rate(network.received_bytes_per_second());
  }
  if (network.has_transmitted_bytes_per_second()) {
    values.transmit_rate = Rate(network.transmitted_bytes_per_second());
  }
  for (const v1::Temperature& temperature : status.temperatures()) {
    const double celsius = temperature.celsius();
    if (celsius > 0 && celsius < 200 &&
        celsius > values.temperature.value_or(0)) {
      values.temperature = celsius;
    }
  }
  values.has_problems = !status.agent().problems().empty();
  values.kernel = status.host().kernel().substr(0, kMostText);
  if (status.host().has_uptime()) {
    const absl::Duration uptime = FromProto(status.host().uptime());
    if (uptime >= absl::ZeroDuration() && uptime < absl::Hours(24 * 36500)) {
      values.uptime = uptime;
    }
  }
  return values;
}

}  // namespace specula::ctl
