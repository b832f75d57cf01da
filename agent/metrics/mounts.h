#ifndef SPECULA_AGENT_METRICS_MOUNTS_H_
#define SPECULA_AGENT_METRICS_MOUNTS_H_

#include <vector>

#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"

// Which mounts are rows, and which of the file systems behind them ought to be
// writable. Pure, but for Read.
namespace specula::agent {

// What the host says of how its file systems shall be mounted.
struct MountIntents {
  std::vector<FstabEntry> fstab;
  // Whether what is mounted at / cannot be written to by design (dm-verity), or
  // may be such a device where /sys does not say.
  bool root_is_sealed = false;
};

// Reads /etc/fstab, and for the device at / its kind.
MountIntents ReadMountIntents(const ProcRoot& root,
                              const std::vector<Mount>& mounts);

// The mounts that stand for a real file system, and how many were left out.
struct SelectedMounts {
  std::vector<Mount> mounts;  // by mount point
  int excluded = 0;
};

// One mount for each major:minor: of bind mounts and btrfs subvolumes, / if it
// is one of them, then one that may be written to, then the one that shows most
// of the file system (shortest root), then the shortest mount point. Of mounts
// on one point the last counts, as it covers the others.
//
// `read_only` of what is selected is that of the file system: false where any
// mount of it may be written to. `turned_read_only` says that it ought to be
// one: an error ended that, a mount of it is still one for writing, /etc/fstab
// says so, or it is at / and neither /etc/fstab nor dm-verity says otherwise.
//
// Pseudo file systems, overlays, images (squashfs) and the mounts of container
// engines are left out. What is in memory is a row at / and where files are put
// and may fill it (a writable tmpfs, also at /dev/shm, not elsewhere in /dev).
// An overlay on / is kept where nothing else stands for a disk that is written
// to (in a container, in a live system).
SelectedMounts SelectMounts(const std::vector<Mount>& mounts,
                            const MountIntents& intents = {});

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_MOUNTS_H_
