#ifndef SPECULA_AGENT_METRICS_BLOCK_DEVICES_H_
#define SPECULA_AGENT_METRICS_BLOCK_DEVICES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "agent/proc/proc_root.h"

// Which of the kernel's block devices are whole disks, so that what is written
// once is counted once.
namespace specula::agent {

// What /sys/block says of one name.
struct BlockDeviceFacts {
  bool sysfs = false;     // there is a /sys/block at all
  bool listed = false;    // it has a directory there; a partition has none
  bool told = false;      // which says what it is made of
  bool hardware = false;  // it has a `device`: hardware, a bus, a host far away
  bool layered = false;   // it has `slaves`: it is made of others
  bool part = false;      // its `device` is another disk (mmcblk0boot0)
};

// Never fails: what cannot be read is not so.
BlockDeviceFacts ReadBlockDeviceFacts(const ProcRoot& root,
                                      absl::string_view name);

// Whether `name`, as /proc/diskstats has it, is a whole disk: one that is made
// of no other and has a device behind it. Left out are partitions and areas of
// another disk, layers above disks (dm, md, bcache, DRBD, zvols, loop) and what
// is in memory (ram, zram), and drives with changing media (sr, fd).
//
// A disk that is reached over a network counts (rbd, iSCSI, AoE, NVMe-oF), as
// its IO is that of no other disk of this host. nbd does not: it is mostly
// served by the host itself, from a file on one of its disks (qemu-nbd).
//
// Where /sys does not say (it is not there, or recorded without its links) the
// name decides. Pure.
bool IsWholeDisk(absl::string_view name, const BlockDeviceFacts& facts);

// The disk that `name` is one path of several to (nvme0c1n1: nvme0n1); empty if
// it is none. Pure.
std::string MultipathDisk(absl::string_view name);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_BLOCK_DEVICES_H_
