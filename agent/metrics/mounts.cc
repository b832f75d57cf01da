#include "agent/metrics/mounts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/metrics/disk.h"
#include "agent/proc/parse.h"

namespace specula::agent {
namespace {

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
      "pstore",     "rpc_pipefs",  "securityfs",    "selinuxfs",
      "squashfs",   "sysfs",       "tracefs",       "aufs",
      "none",       "secretmem",   "shiftfs"};
  return IsOneOf(type, kPseudo);
}

// Types of which being read-only says nothing of errors: images and media that
// are made once, drivers that only read, and those that are read-only where a
// property says so.
bool IsReadOnlyByNature(absl::string_view type) {
  static constexpr absl::string_view kTypes[] = {
      "befs",    "cramfs",   "efs",     "erofs", "freevxfs",
      "iso9660", "ntfs",     "overlay", "qnx4",  "qnx6",
      "romfs",   "squashfs", "udf",     "ufs",   "zfs"};
  return IsOneOf(type, kTypes) || IsMemoryType(type) || IsRemoteType(type);
}

// Whether `path` is `directory` or below it.
bool IsWithin(absl::string_view path, absl::string_view directory) {
  return absl::ConsumePrefix(&path, directory) &&
         (path.empty() || path.front() == '/');
}

// Places where mounts are internals of something: those of node_exporter, and
// what container engines mount for and into every container.
bool IsInternalPlace(absl::string_view path) {
  static constexpr absl::string_view kFiles[] = {"/etc/hostname", "/etc/hosts",
                                                 "/etc/resolv.conf"};
  static constexpr absl::string_view kWithin[] = {"/dev", "/proc", "/sys"};
  // A disk mounted on /var/lib/docker itself is a disk; what is below is not.
  static constexpr absl::string_view kBelow[] = {
      "/run/containerd",     "/run/containers", "/run/credentials",
      "/run/k3s/containerd", "/var/lib/docker", "/var/lib/containers/storage",
      "/var/lib/containerd"};
  return IsOneOf(path, kFiles) ||
         std::any_of(
             std::begin(kWithin), std::end(kWithin),
             [&](absl::string_view place) { return IsWithin(path, place); }) ||
         std::any_of(std::begin(kBelow), std::end(kBelow),
                     [&](absl::string_view place) {
                       return path != place && IsWithin(path, place);
                     }) ||
         // The kubelet's directory has another place in every distribution.
         absl::StrContains(path, "/kubelet/pods/");
}

// Whether a mount may stand for its file system.
bool IsCandidate(const Mount& mount) {
  if (!IsMemoryType(mount.type)) {
    return !IsPseudoType(mount.type) && !IsInternalPlace(mount.mount_point);
  }
  if (mount.mount_point == "/") return true;
  // A ramfs has no size that it could be filled to; a part is often one file
  // (/run/xtables.lock in a container).
  return mount.type == "tmpfs" && mount.root == "/" &&
         (mount.mount_point == "/dev/shm" ||
          !IsInternalPlace(mount.mount_point));
}

// What all mounts of one device say together.
struct Device {
  std::optional<Mount> best;  // absent: none may stand for it
  bool writable = false;      // some mount may be written to
  bool for_writing = false;   // or could, if the super block was writable
  bool at_root = false;
  std::optional<bool> shall_be_writable;  // as /etc/fstab says
};

void AddMount(const Mount& mount, const MountIntents& intents, Device& device) {
  device.writable |= !mount.read_only;
  device.for_writing |= !mount.own_read_only;
  device.at_root |= mount.mount_point == "/";
  for (const FstabEntry& entry : intents.fstab) {
    if (entry.mount_point != mount.mount_point || !entry.at_boot) continue;
    device.shall_be_writable =
        device.shall_be_writable.value_or(false) || !entry.read_only;
  }
  if (!IsCandidate(mount)) return;
  const auto rank = [](const Mount& m) {
    return std::make_tuple(m.mount_point != "/", m.read_only, m.root.size(),
                           m.mount_point.size(), m.mount_point);
  };
  if (!device.best.has_value() || rank(mount) < rank(*device.best)) {
    device.best = mount;
  }
}

// Whether it is read-only and ought not to be. A super block that is read-only
// below a mount that is not is what errors=remount-ro leaves.
bool HasTurnedReadOnly(const Device& device, const MountIntents& intents) {
  const Mount& best = *device.best;
  if (device.writable || best.super_block == SuperBlock::kWritable ||
      IsReadOnlyByNature(best.type)) {
    return false;
  }
  if (best.super_block == SuperBlock::kFailed || device.for_writing) {
    return true;
  }
  return device.shall_be_writable.value_or(device.at_root &&
                                           !intents.root_is_sealed);
}

// Whether a row stands for a disk of this host that is written to.
bool IsDisk(const Mount& mount) {
  return (!mount.read_only || mount.turned_read_only) &&
         !IsRemoteType(mount.type) && !IsMemoryType(mount.type);
}

}  // namespace

MountIntents ReadMountIntents(const ProcRoot& root,
                              const std::vector<Mount>& mounts) {
  MountIntents intents;
  absl::StatusOr<std::string> fstab = root.Read("/etc/fstab");
  if (fstab.ok()) intents.fstab = ParseFstab(*fstab);
  // The last mount at / is the one that can be seen.
  for (const Mount& mount : mounts) {
    if (mount.mount_point != "/") continue;
    const std::string device = absl::StrCat("/sys/dev/block/", mount.device);
    absl::StatusOr<std::string> kind =
        root.Read(absl::StrCat(device, "/dm/uuid"));
    if (kind.ok()) {
      intents.root_is_sealed = absl::StartsWith(*kind, "CRYPT-VERITY");
    } else {
      // A device mapper's that is mounted as its errors say is not sealed.
      intents.root_is_sealed = !root.Exists(device) &&
                               !mount.remounts_on_error &&
                               (absl::StartsWith(mount.source, "/dev/dm-") ||
                                absl::StartsWith(mount.source, "/dev/mapper/"));
    }
  }
  return intents;
}

SelectedMounts SelectMounts(const std::vector<Mount>& mounts,
                            const MountIntents& intents) {
  // Of several mounts on one point only the last can be seen.
  std::map<std::string, const Mount*> visible;
  for (const Mount& mount : mounts) visible[mount.mount_point] = &mount;
  std::map<std::string, Device> devices;
  for (const auto& [point, mount] : visible) {
    AddMount(*mount, intents, devices[mount->device]);
  }
  SelectedMounts selected;
  // Each device has one row or none; `has_disk` if one of them is a disk.
  bool has_disk = false;
  for (auto& [name, device] : devices) {
    if (!device.best.has_value()) continue;
    Mount& best = *device.best;
    best.read_only = !device.writable;
    best.turned_read_only = HasTurnedReadOnly(device, intents);
    // What is in memory and is not written to does not fill up.
    if (IsMemoryType(best.type) && best.read_only && !device.at_root) continue;
    has_disk = has_disk || IsDisk(best);
    selected.mounts.push_back(std::move(best));
  }
  if (auto root = visible.find("/");
      !has_disk && root != visible.end() && root->second->type == "overlay") {
    selected.mounts.push_back(*root->second);
  }
  std::sort(selected.mounts.begin(), selected.mounts.end(),
            [](const Mount& a, const Mount& b) {
              return a.mount_point < b.mount_point;
            });
  selected.excluded = static_cast<int>(mounts.size() - selected.mounts.size());
  return selected;
}

}  // namespace specula::agent
