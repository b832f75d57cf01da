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

// Whether a file system of this type lives on another machine or in a user's
// process, so that statvfs may hang and its size is not this host's.
bool IsRemoteType(absl::string_view type);

// Whether what is written to a file system of this type is kept in memory.
bool IsMemoryType(absl::string_view type);

// Fills one row. `space` is what statvfs said: DEADLINE_EXCEEDED makes the row
// STALLED, another error UNAVAILABLE. Its fields are unsigned but carry
// negative numbers (beyond a quota), which df tells by the top bit: free space
// below 0 is none and makes the row CLAMPED, as does more free space than there
// is. Without a size that can be (2^64 - 1 blocks) it is UNAVAILABLE.
void FillFilesystem(const Mount& mount,
                    const absl::StatusOr<struct statvfs>& space,
                    v1::Filesystem* row);

// Adds up the rows that have figures, are local and writable, or were until
// they turned read-only, into total_bytes and used_bytes. What is in memory
// counts where it is the root. Datasets of one ZFS pool share its free space,
// which is counted once. Sets the quality.
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
