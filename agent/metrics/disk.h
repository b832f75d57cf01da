#ifndef SPECULA_AGENT_METRICS_DISK_H_
#define SPECULA_AGENT_METRICS_DISK_H_

#include <sys/statvfs.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "specula/v1/specula.pb.h"

// The rules of what counts as a disk. Pure.
namespace specula::agent {

// The mounts that stand for a real file system, and how many were left out.
struct SelectedMounts {
  std::vector<Mount> mounts;  // by mount point
  int excluded = 0;
};

// One mount for each major:minor: of bind mounts and btrfs subvolumes, the one
// that shows most of the file system (shortest root), then the shortest mount
// point. Of mounts on one point the last counts, as it covers the others.
// Pseudo file systems, overlays, images (squashfs) and the mounts of container
// engines are left out, but an overlay on / is kept where nothing else stands
// for a disk (in a container).
SelectedMounts SelectMounts(std::vector<Mount> mounts);

// Whether a file system of this type lives on another machine or in a user's
// process, so that statvfs may hang and its size is not this host's.
bool IsRemoteType(absl::string_view type);

// Whether statvfs on this type only reads counters in memory, whatever the disk
// does, so that it may be called where waiting is not allowed. (XFS waits for
// its background work on some kernels, btrfs for a balance; network file
// systems for ever.)
bool IsPromptType(absl::string_view type);

// Fills one row. `space` is what statvfs said: DEADLINE_EXCEEDED makes the row
// STALLED, another error UNAVAILABLE.
void FillFilesystem(const Mount& mount,
                    const absl::StatusOr<struct statvfs>& space,
                    v1::Filesystem* row);

// Adds up the rows that are writable and local into total_bytes and used_bytes.
// Datasets of one ZFS pool share its free space, which is counted once. Sets
// the quality.
void SumFilesystems(v1::Disk* disk);

// Fills the rows of `disk.devices` for the devices that `is_whole_disk` says
// yes to, and the window. A path to a disk of several (nvme0c0n1) is left out
// where the disk itself (nvme0n1) has counted anything: before Linux 6.4 only
// the paths did. Without `previous` their quality is FIRST; where a
// counter ran backwards or a rate is beyond 50 GB/s, RESET.
void FillDevices(const std::vector<DiskCounters>* previous,
                 const std::vector<DiskCounters>& current,
                 absl::Duration window,
                 const std::function<bool(const std::string&)>& is_whole_disk,
                 v1::Disk* disk);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_DISK_H_
