#include "agent/metrics/block_devices.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace specula::agent {
namespace {

// Takes digits off the front; false if there are none.
bool TakeDigits(absl::string_view* text) {
  const size_t length =
      std::min(text->find_first_not_of("0123456789"), text->size());
  text->remove_prefix(length);
  return length > 0;
}

// Whether it is one of the `kind`: "sr" and digits.
bool IsNumbered(absl::string_view name, absl::string_view kind) {
  return absl::ConsumePrefix(&name, kind) && TakeDigits(&name) && name.empty();
}

// Drives whose media change are no disks, though they are hardware.
bool HasChangingMedia(absl::string_view name) {
  return IsNumbered(name, "sr") || IsNumbered(name, "fd");
}

// An area of a memory card beside its contents: mmcblk0boot0, mmcblk0rpmb.
bool IsCardArea(absl::string_view name) {
  return absl::ConsumePrefix(&name, "mmcblk") && TakeDigits(&name) &&
         (IsNumbered(name, "boot") || IsNumbered(name, "gp") || name == "rpmb");
}

// Disks over a network whose drivers give them no `device`.
bool IsNetworkDisk(absl::string_view name) {
  return absl::StartsWith(name, "etherd/") || absl::StartsWith(name, "scini");
}

// Layers and memory as their drivers call them.
bool IsLayerByName(absl::string_view name) {
  static constexpr absl::string_view kNumbered[] = {
      "loop", "ram",  "zram", "dm-",    "md",    "md_d",
      "zd",   "drbd", "nbd",  "bcache", "nullb", "ublkb"};
  return std::any_of(
             std::begin(kNumbered), std::end(kNumbered),
             [&](absl::string_view kind) { return IsNumbered(name, kind); }) ||
         absl::StartsWith(name, "emcpower");
}

// sda1, and nvme0n1p1 where the disk's name ends with a digit.
bool IsPartitionByName(absl::string_view name) {
  size_t end = name.size();
  while (end > 0 && absl::ascii_isdigit(name[end - 1])) --end;
  if (end == 0 || end == name.size()) return false;
  const absl::string_view disk = name.substr(0, end);
  if (disk.size() > 1 && disk.back() == 'p' &&
      absl::ascii_isdigit(disk[disk.size() - 2])) {
    return true;
  }
  static constexpr absl::string_view kLettered[] = {"sd", "vd", "hd", "xvd",
                                                    "dasd"};
  return std::any_of(
      std::begin(kLettered), std::end(kLettered), [&](absl::string_view kind) {
        return absl::StartsWith(disk, kind) && disk.size() > kind.size();
      });
}

}  // namespace

BlockDeviceFacts ReadBlockDeviceFacts(const ProcRoot& root,
                                      absl::string_view name) {
  constexpr char kBlocks[] = "/sys/block/";
  // A name with a slash (cciss/c0d0) stands there with '!'.
  const std::string directory =
      absl::StrCat(kBlocks, absl::StrReplaceAll(name, {{"/", "!"}}));
  const std::string device = absl::StrCat(directory, "/device");
  // Links are read, not followed: a recorded tree may not have what they name.
  const absl::StatusOr<std::string> place = root.ReadLink(directory);
  const absl::StatusOr<std::string> parent = root.ReadLink(device);
  const absl::StatusOr<std::vector<std::string>> slaves =
      root.List(absl::StrCat(directory, "/slaves"));
  BlockDeviceFacts facts;
  facts.sysfs = root.Exists(kBlocks);
  facts.listed = place.ok() || root.Exists(directory);
  facts.told = place.ok() || parent.ok() || slaves.ok() || root.Exists(device);
  // What has no device behind it lies in ../devices/virtual/block.
  facts.hardware =
      parent.ok() || root.Exists(device) ||
      (place.ok() && !absl::StrContains(*place, "/virtual/block/"));
  facts.layered = slaves.ok() && !slaves->empty();
  if (parent.ok()) {
    const std::string name_of = parent->substr(parent->rfind('/') + 1);
    facts.part =
        !name_of.empty() && root.Exists(absl::StrCat(kBlocks, name_of));
  }
  return facts;
}

bool IsWholeDisk(absl::string_view name, const BlockDeviceFacts& facts) {
  if (HasChangingMedia(name) || IsCardArea(name) || facts.part) return false;
  if (facts.told) {
    return !facts.layered && (facts.hardware || IsNetworkDisk(name));
  }
  if (facts.sysfs && !facts.listed) return false;
  return !IsLayerByName(name) && (facts.listed || !IsPartitionByName(name));
}

std::string MultipathDisk(absl::string_view name) {
  absl::string_view rest = name;
  if (!absl::ConsumePrefix(&rest, "nvme") || !TakeDigits(&rest)) return "";
  const absl::string_view controller =
      name.substr(0, name.size() - rest.size());
  if (!absl::ConsumePrefix(&rest, "c") || !TakeDigits(&rest)) return "";
  return IsNumbered(rest, "n") ? absl::StrCat(controller, rest) : "";
}

}  // namespace specula::agent
