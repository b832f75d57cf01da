#include "agent/metrics/disk.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/metrics/block_devices.h"
#include "agent/metrics/saturating.h"
#include "agent/metrics/to_proto.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

constexpr int64_t kSectorBytes =
    512;  // of /proc/diskstats, whatever the device has
constexpr double kImpossibleBytesPerSecond = 50e9;

template <size_t N>
bool IsOneOf(absl::string_view word, const absl::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::string ZfsPool(const v1::Filesystem& row) {
  return row.source().substr(0, row.source().find('/'));
}

// Fields of statvfs are unsigned, but what is below 0 is stored in them all the
// same; all ones is also what is not known.
bool IsNegative(uint64_t field) { return (field >> 63) != 0; }

// Free units of `total`, in its range. With more than there is, `otherwise`.
struct Free {
  uint64_t count;
  bool clamped;
};
Free FreeOf(uint64_t total, uint64_t field, uint64_t otherwise) {
  if (field <= total) return {field, false};
  // Servers and drivers of 32 bits know negative numbers, too.
  const bool negative = IsNegative(field) || (field >> 31) == 1;
  return {negative ? 0 : otherwise, true};
}

void FillInodes(const struct statvfs& space, v1::Filesystem* row) {
  // 2^64 - 1 says that there is no fixed number, as 0 does.
  if (IsNegative(space.f_files)) return;
  const Free free = FreeOf(space.f_files, space.f_ffree, space.f_files);
  if (free.clamped) row->set_quality(v1::QUALITY_CLAMPED);
  row->set_inodes_total_count(static_cast<int64_t>(space.f_files));
  row->set_inodes_used_count(static_cast<int64_t>(space.f_files - free.count));
}

// False if the size is none that can be.
bool FillSpace(const struct statvfs& space, v1::Filesystem* row) {
  int64_t total = 0;
  if (IsNegative(space.f_blocks) ||
      __builtin_mul_overflow(space.f_blocks, space.f_frsize, &total)) {
    return false;
  }
  const Free free = FreeOf(space.f_blocks, space.f_bfree, space.f_blocks);
  const Free available = FreeOf(space.f_blocks, space.f_bavail, free.count);
  // No product is above the total's.
  const auto bytes = [&](uint64_t blocks) {
    return static_cast<int64_t>(blocks * space.f_frsize);
  };
  row->set_quality(free.clamped || available.clamped ? v1::QUALITY_CLAMPED
                                                     : v1::QUALITY_OK);
  row->set_total_bytes(total);
  row->set_used_bytes(bytes(space.f_blocks - free.count));
  row->set_available_bytes(bytes(available.count));
  const double used = static_cast<double>(row->used_bytes());
  const double usable = used + static_cast<double>(row->available_bytes());
  if (usable > 0) {
    row->set_utilization(used / usable);
  } else if (total > 0 && available.clamped) {
    row->set_utilization(1);
  }
  return true;
}

// Whether a row is part of the sums.
bool IsCounted(const v1::Filesystem& row) {
  const bool has_figures =
      row.quality() == v1::QUALITY_OK || row.quality() == v1::QUALITY_CLAMPED;
  return has_figures && (!row.read_only() || row.turned_read_only()) &&
         !IsRemoteType(row.type()) &&
         (!IsMemoryType(row.type()) || row.mount_point() == "/");
}

void FillDevice(const DiskCounters& before, const DiskCounters& now,
                double seconds, v1::BlockDevice* device) {
  const bool backwards = now.reads < before.reads ||
                         now.writes < before.writes ||
                         now.sectors_read < before.sectors_read ||
                         now.sectors_written < before.sectors_written ||
                         now.busy_milliseconds < before.busy_milliseconds;
  const double read =
      static_cast<double>(now.sectors_read - before.sectors_read) *
      kSectorBytes / seconds;
  const double written =
      static_cast<double>(now.sectors_written - before.sectors_written) *
      kSectorBytes / seconds;
  if (backwards || read > kImpossibleBytesPerSecond ||
      written > kImpossibleBytesPerSecond) {
    device->set_quality(v1::QUALITY_RESET);
    return;
  }
  const double reads = static_cast<double>(now.reads - before.reads);
  const double writes = static_cast<double>(now.writes - before.writes);
  const double waited =
      static_cast<double>(now.read_milliseconds - before.read_milliseconds) +
      static_cast<double>(now.write_milliseconds - before.write_milliseconds);
  const double busy =
      static_cast<double>(now.busy_milliseconds - before.busy_milliseconds) /
      1e3;
  device->set_quality(v1::QUALITY_OK);
  device->set_read_bytes_per_second(read);
  device->set_written_bytes_per_second(written);
  device->set_reads_per_second(reads / seconds);
  device->set_writes_per_second(writes / seconds);
  device->set_utilization(std::clamp(busy / seconds, 0.0, 1.0));
  // The kernel's millisecond counters are 32 bits wide and wrap on busy disks.
  if (reads + writes > 0 && waited >= 0) {
    *device->mutable_mean_latency() =
        ToProto(absl::Milliseconds(waited / (reads + writes)));
  }
}

// Whether it is a path to a disk that does its own counting.
bool IsPathToCountedDisk(const std::string& name,
                         const std::vector<DiskCounters>& all) {
  const std::string disk = MultipathDisk(name);
  if (disk.empty()) return false;
  return std::any_of(all.begin(), all.end(), [&](const DiskCounters& one) {
    return one.name == disk && (one.reads > 0 || one.writes > 0);
  });
}

}  // namespace

bool IsRemoteType(absl::string_view type) {
  static constexpr absl::string_view kRemote[] = {
      "9p",    "afs",      "ceph",  "cifs",  "glusterfs",
      "gfs2",  "lustre",   "ncpfs", "nfs",   "nfs4",
      "ocfs2", "orangefs", "smb3",  "smbfs", "virtiofs"};
  // fuseblk is a local disk behind a user process (NTFS).
  return IsOneOf(type, kRemote) || absl::StartsWith(type, "fuse.") ||
         type == "fuse";
}

bool IsMemoryType(absl::string_view type) {
  static constexpr absl::string_view kMemory[] = {"tmpfs", "ramfs", "rootfs"};
  return IsOneOf(type, kMemory);
}

void FillFilesystem(const Mount& mount,
                    const absl::StatusOr<struct statvfs>& space,
                    v1::Filesystem* row) {
  row->set_device(mount.device);
  row->set_source(ToUtf8(mount.source));
  row->set_mount_point(ToUtf8(mount.mount_point));
  row->set_type(ToUtf8(mount.type));
  row->set_read_only(mount.read_only);
  row->set_turned_read_only(mount.turned_read_only);
  if (!space.ok()) {
    row->set_quality(absl::IsDeadlineExceeded(space.status())
                         ? v1::QUALITY_STALLED
                         : v1::QUALITY_UNAVAILABLE);
    return;
  }
  if (FillSpace(*space, row)) {
    FillInodes(*space, row);
  } else {
    row->set_quality(v1::QUALITY_UNAVAILABLE);
  }
}

void SumFilesystems(v1::Disk* disk) {
  int64_t total = 0;
  int64_t used = 0;
  std::map<std::string, int64_t> pool_free;
  bool stalled = false;
  for (const v1::Filesystem& row : disk->filesystems()) {
    stalled = stalled || row.quality() == v1::QUALITY_STALLED;
    if (!IsCounted(row)) continue;
    used = SaturatingAdd(used, row.used_bytes());
    if (row.type() == "zfs") {
      total = SaturatingAdd(total, row.used_bytes());
      int64_t& free = pool_free[ZfsPool(row)];
      free = std::max(free, row.available_bytes());
    } else {
      total = SaturatingAdd(total, row.total_bytes());
    }
  }
  for (const auto& [pool, free] : pool_free) total = SaturatingAdd(total, free);
  disk->set_total_bytes(total);
  disk->set_used_bytes(used);
  disk->set_quality(stalled ? v1::QUALITY_STALLED : v1::QUALITY_OK);
}

void FillDevices(const std::vector<DiskCounters>* previous,
                 const std::vector<DiskCounters>& current,
                 absl::Duration window,
                 const std::function<bool(const std::string&)>& is_whole_disk,
                 v1::Disk* disk) {
  const double seconds = absl::ToDoubleSeconds(window);
  for (const DiskCounters& now : current) {
    if (!is_whole_disk(now.name)) continue;
    if (IsPathToCountedDisk(now.name, current)) continue;
    v1::BlockDevice* device = disk->add_devices();
    device->set_name(ToUtf8(now.name));
    device->set_quality(v1::QUALITY_FIRST);
    if (previous == nullptr || seconds <= 0) continue;
    auto before =
        std::find_if(previous->begin(), previous->end(),
                     [&](const DiskCounters& d) { return d.name == now.name; });
    if (before != previous->end()) FillDevice(*before, now, seconds, device);
  }
  if (previous != nullptr) *disk->mutable_window() = ToProto(window);
}

}  // namespace specula::agent
