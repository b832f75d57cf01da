#ifndef SPECULA_CTL_UI_HOST_VALUES_H_
#define SPECULA_CTL_UI_HOST_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// The numbers of one snapshot that the fleet's table shows, sorts and filters
// by. Absent: not measured, or not a number that can be (an agent may lie).
// Fractions are 0 to 1 of the machine.
struct HostValues {
  std::optional<double> cpu, user, system, iowait, steal;
  int cores = 0;                        // 0: unknown
  std::optional<double> load_per_core;  // of 1 minute
  std::optional<double> memory;
  int64_t memory_used_bytes = 0, memory_total_bytes = 0;
  bool memory_estimated = false;  // what the kernel says of it cannot be
  std::optional<double> swap;
  // The fullest file system that answers, and where it is mounted.
  std::optional<double> disk;
  std::string disk_mount;
  bool disk_stalled = false;  // at least one file system does not answer
  // Where a file system is mounted that turned read-only; empty: none did.
  std::string disk_read_only;
  // Share of the last 10 s in which some task waited.
  std::optional<double> cpu_pressure, memory_pressure, io_pressure;
  // Bytes per second, of all disks and of all interfaces with hardware.
  std::optional<double> read_rate, write_rate, receive_rate, transmit_rate;
  std::optional<double> temperature;  // the highest, degrees Celsius
  std::optional<absl::Duration> uptime;
  std::string kernel;
  bool has_problems = false;  // the agent cannot see the host as a whole

  // The greatest of the three pressures.
  std::optional<double> pressure() const;
};

// Reads them from a snapshot. Nothing in it is trusted: fractions outside of
// 0 to 1, rates below 0 and what is no number are absent. Pure.
HostValues ValuesOf(const v1::StatusResponse& status);

// How full a file system is, 0 to 1. Absent: not measured, or it does not fill
// up (an image that is read-only by design).
std::optional<double> FillOf(const v1::Filesystem& filesystem);

// Whether `value` is a fraction from 0 to 1.
bool IsFraction(double value);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_HOST_VALUES_H_
