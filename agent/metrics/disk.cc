#include "agent/metrics/disk.h"

#include <algorithm>
#include <map>
#include <tuple>
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

// Types without storage behind them, or whose storage is another mount's.
bool IsPseudoType(absl::string_view type) {
  static constexpr absl::string_view kPseudo[] = {
      "autofs",     "binfmt_misc", "bpf",           "cgroup",
      "cgroup2",    "configfs",    "debugfs",       "devpts",
      "devtmpfs",   "efivarfs",    "erofs",         "fuse.gvfsd-fuse",
      "fuse.lxcfs", "fuse.portal", "fuse.snapfuse", "fusectl",
      "hugetlbfs",  "iso9660",     "mqueue",        "nfsd",
      "nsfs",       "overlay",     "proc",          "procfs",
      "pstore",     "ramfs",       "rootfs",        "rpc_pipefs",
      "securityfs", "selinuxfs",   "squashfs",      "sysfs",
      "tmpfs",      "tracefs",     "aufs",          "none",
      "secretmem",  "shiftfs"};
  return IsOneOf(type, kPseudo);
}

// Places where mounts are somebody's internals: those of node_exporter, and the
// files that container engines mount into every container.
bool IsInternalPlace(absl::string_view path) {
  static constexpr absl::string_view kFiles[] = {"/etc/hostname", "/etc/hosts",
                                                 "/etc/resolv.conf"};
  if (IsOneOf(path, kFiles)) return true;
  static constexpr absl::string_view kPrefixes[] = {
      "/dev",
      "/proc",
      "/sys",
      "/run/credentials",
      "/var/lib/docker",
      "/var/lib/containers/storage",
      "/var/lib/kubelet/pods",
      "/var/lib/containerd"};
  // A disk mounted on /var/lib/docker itself is a disk; what is below is not.
  static constexpr absl::string_view kOnlyBelow[] = {
      "/run/credentials", "/var/lib/docker", "/var/lib/containers/storage",
      "/var/lib/kubelet/pods", "/var/lib/containerd"};
  for (absl::string_view prefix : kPrefixes) {
    if (!absl::StartsWith(path, prefix)) continue;
    const absl::string_view rest = path.substr(prefix.size());
    if (rest.empty()) return !IsOneOf(prefix, kOnlyBelow);
    if (rest.front() == '/') return true;
  }
  return false;
}

std::string ZfsPool(const v1::Filesystem& row) {
  return row.source().substr(0, row.source().find('/'));
}

int64_t Bytes(uint64_t blocks, uint64_t block_bytes) {
  constexpr uint64_t kMost = INT64_MAX;
  if (block_bytes != 0 && blocks > kMost / block_bytes) return INT64_MAX;
  return static_cast<int64_t>(blocks * block_bytes);
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

bool IsPromptType(absl::string_view type) {
  static constexpr absl::string_view kPrompt[] = {"ext2", "ext3", "ext4",
                                                  "vfat", "f2fs"};
  return IsOneOf(type, kPrompt);
}

SelectedMounts SelectMounts(std::vector<Mount> mounts) {
  const int seen = static_cast<int>(mounts.size());
  // Of several mounts on one point only the last can be seen.
  std::map<std::string, const Mount*> visible;
  for (const Mount& mount : mounts) visible[mount.mount_point] = &mount;
  std::map<std::string, Mount> best;
  std::vector<Mount> overlay_root;
  for (Mount& mount : mounts) {
    if (visible[mount.mount_point] != &mount) continue;
    if (mount.type == "overlay" && mount.mount_point == "/") {
      overlay_root.assign(1, mount);
    }
    if (IsPseudoType(mount.type) || IsInternalPlace(mount.mount_point))
      continue;
    auto [place, is_new] = best.try_emplace(mount.device, mount);
    if (is_new) continue;
    auto rank = [](const Mount& m) {
      return std::make_tuple(m.root.size(), m.mount_point.size(),
                             m.mount_point);
    };
    if (rank(mount) < rank(place->second)) place->second = std::move(mount);
  }
  SelectedMounts selected;
  for (auto& [device, mount] : best)
    selected.mounts.push_back(std::move(mount));
  if (selected.mounts.empty()) selected.mounts = std::move(overlay_root);
  std::sort(selected.mounts.begin(), selected.mounts.end(),
            [](const Mount& a, const Mount& b) {
              return a.mount_point < b.mount_point;
            });
  selected.excluded = seen - static_cast<int>(selected.mounts.size());
  return selected;
}

void FillFilesystem(const Mount& mount,
                    const absl::StatusOr<struct statvfs>& space,
                    v1::Filesystem* row) {
  row->set_device(mount.device);
  row->set_source(ToUtf8(mount.source));
  row->set_mount_point(ToUtf8(mount.mount_point));
  row->set_type(ToUtf8(mount.type));
  row->set_read_only(mount.read_only);
  if (!space.ok()) {
    row->set_quality(absl::IsDeadlineExceeded(space.status())
                         ? v1::QUALITY_STALLED
                         : v1::QUALITY_UNAVAILABLE);
    return;
  }
  row->set_quality(v1::QUALITY_OK);
  const uint64_t block = space->f_frsize;
  const int64_t used =
      Bytes(space->f_blocks - std::min(space->f_bfree, space->f_blocks), block);
  const int64_t available = Bytes(space->f_bavail, block);
  row->set_total_bytes(Bytes(space->f_blocks, block));
  row->set_used_bytes(used);
  row->set_available_bytes(available);
  const double usable =
      static_cast<double>(used) + static_cast<double>(available);
  if (usable > 0) row->set_utilization(static_cast<double>(used) / usable);
  row->set_inodes_total_count(Bytes(space->f_files, 1));
  row->set_inodes_used_count(
      Bytes(space->f_files - std::min(space->f_ffree, space->f_files), 1));
}

void SumFilesystems(v1::Disk* disk) {
  int64_t total = 0;
  int64_t used = 0;
  std::map<std::string, int64_t> pool_free;
  bool stalled = false;
  for (const v1::Filesystem& row : disk->filesystems()) {
    stalled = stalled || row.quality() == v1::QUALITY_STALLED;
    if (row.quality() != v1::QUALITY_OK || row.read_only() ||
        IsRemoteType(row.type())) {
      continue;
    }
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
