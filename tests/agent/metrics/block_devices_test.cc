#include "agent/metrics/block_devices.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/proc/proc_root.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;

// A tree with some of /sys/block.
class Tree {
 public:
  Tree() { Make("sys/block"); }

  // A device as the kernel shows it: a link to its place, with `slaves` there,
  // and a link to what is behind it if it has that.
  void Add(const std::string& name, const std::string& place,
           const std::string& device, const std::vector<std::string>& slaves) {
    const std::string directory = absl::StrCat("sys/devices/", place);
    Make(absl::StrCat(directory, "/slaves"));
    for (const std::string& slave : slaves) {
      Make(absl::StrCat(directory, "/slaves/", slave));
    }
    if (!device.empty()) Link(device, absl::StrCat(directory, "/device"));
    Link(absl::StrCat("../devices/", place), absl::StrCat("sys/block/", name));
  }
  void Make(const std::string& directory) {
    std::filesystem::create_directories(tree_.Path(directory));
  }
  void Link(const std::string& to, const std::string& name) {
    std::filesystem::create_symlink(to, tree_.Path(name));
  }
  bool IsDisk(const std::string& name) const {
    return IsWholeDisk(name,
                       ReadBlockDeviceFacts(ProcRoot(tree_.path()), name));
  }

 private:
  TempDirectory tree_;
};

TEST(BlockDevicesTest, SysfsSaysWhatIsALayer) {
  const struct {
    const char* name;    // as /sys/block has it
    const char* place;   // below /sys/devices
    const char* device;  // target of its link; empty: it has none
    std::vector<std::string> slaves;
    bool is_disk;
  } kCases[] = {
      {"sda", "pci0/ata1/host0/block/sda", "../../../0:0:0:0", {}, true},
      {"vda", "pci0/virtio1/block/vda", "../../../virtio1", {}, true},
      {"xvda", "vbd-51712/block/xvda", "../../../vbd-51712", {}, true},
      {"nvme0n1", "pci0/nvme/nvme0/nvme0n1", "../../nvme0", {}, true},
      {"nvme1n1",
       "virtual/nvme-subsystem/nvme-subsys1/nvme1n1",
       "../../nvme-subsys1",
       {},
       true},
      {"nvme1c0n1", "pci0/nvme/nvme1/nvme1c0n1", "../../nvme1", {}, true},
      {"rbd0", "rbd/0/block/rbd0", "../../../0", {}, true},
      {"pmem0", "ndbus0/region0/pfn0/block/pmem0", "../../../pfn0", {}, true},
      {"cciss!c0d0",
       "pci0/cciss0/c0d0/block/cciss!c0d0",
       "../../../c0d0",
       {},
       true},
      {"mmcblk0",
       "mmc0/mmc0:0001/block/mmcblk0",
       "../../../mmc0:0001",
       {},
       true},
      {"mmcblk0boot0",
       "mmc0/mmc0:0001/block/mmcblk0/mmcblk0boot0",
       "../../mmcblk0",
       {},
       false},
      {"area0",
       "mmc0/mmc0:0001/block/mmcblk0/area0",
       "../../mmcblk0",
       {},
       false},
      {"etherd!e1.0", "virtual/block/etherd!e1.0", "", {}, true},
      {"scinia", "virtual/block/scinia", "", {}, true},
      // Layers and memory, by whatever name.
      {"dm-0", "virtual/block/dm-0", "", {"sda3"}, false},
      {"md127", "virtual/block/md127", "", {"sda1", "sdb1"}, false},
      {"bcache0", "virtual/block/bcache0", "", {"sda1"}, false},
      {"bcache1", "virtual/block/bcache1", "", {}, false},
      {"drbd0", "virtual/block/drbd0", "", {}, false},
      {"zd0", "virtual/block/zd0", "", {}, false},
      {"loop0", "virtual/block/loop0", "", {}, false},
      {"ram0", "virtual/block/ram0", "", {}, false},
      {"zram0", "virtual/block/zram0", "", {}, false},
      {"nbd0", "virtual/block/nbd0", "", {}, false},
      {"newlayer7", "virtual/block/newlayer7", "", {}, false},
      {"made", "pci0/block/made", "../../x", {"sda"}, false},
      // Drives.
      {"sr0", "pci0/ata2/host1/block/sr0", "../../../1:0:0:0", {}, false},
      {"fd0", "platform/floppy.0/block/fd0", "../../../floppy.0", {}, false},
      // Their names are those of layers, but they are none.
      {"mdisk", "pci0/block/mdisk", "../../x", {}, true},
      {"ramsan0", "pci0/block/ramsan0", "../../x", {}, true},
  };
  Tree tree;
  for (const auto& test : kCases) {
    tree.Add(test.name, test.place, test.device, test.slaves);
  }
  for (const auto& test : kCases) {
    std::string name = test.name;
    for (char& c : name) {
      if (c == '!') c = '/';  // as in /proc/diskstats
    }
    EXPECT_EQ(tree.IsDisk(name), test.is_disk) << test.name;
  }
  for (const char* partition : {"sda1", "nvme0n1p1", "cciss/c0d0p1", "other"}) {
    EXPECT_FALSE(tree.IsDisk(partition)) << partition;
  }
}

TEST(BlockDevicesTest, LinksThatLeadNowhereAreRead) {
  Tree tree;
  tree.Link("../devices/pci0/block/sda", "sys/block/sda");
  tree.Link("../devices/virtual/block/zd0", "sys/block/zd0");
  tree.Make("sys/block/sdb");
  tree.Link("../../../0:0:0:0", "sys/block/sdb/device");
  EXPECT_TRUE(tree.IsDisk("sda"));
  EXPECT_FALSE(tree.IsDisk("zd0"));
  EXPECT_TRUE(tree.IsDisk("sdb"));
}

const char* const kLayers[] = {
    "loop0",        "ram0",         "zram0",       "dm-0",      "md127",
    "md_d0",        "zd0",          "zd16",        "drbd0",     "nbd0",
    "sr0",          "bcache0",      "fd0",         "nullb0",    "ublkb0",
    "mmcblk0boot0", "mmcblk0boot1", "mmcblk0rpmb", "mmcblk0gp0"};
const char* const kDisks[] = {"sda",     "sdab",    "vda",   "xvda",
                              "nvme0n1", "mmcblk0", "dasda", "cciss/c0d0",
                              "rbd0",    "pmem0",   "mdx"};

TEST(BlockDevicesTest, WhereTheLinksAreNotTheNameDecides) {
  Tree tree;
  for (const char* name : kLayers) tree.Make(absl::StrCat("sys/block/", name));
  for (std::string name : kDisks) {
    if (name == "cciss/c0d0") name = "cciss!c0d0";
    tree.Make(absl::StrCat("sys/block/", name));
  }
  for (const char* name : kLayers) EXPECT_FALSE(tree.IsDisk(name)) << name;
  for (const char* name : kDisks) EXPECT_TRUE(tree.IsDisk(name)) << name;
  for (const char* name : {"sda1", "nvme0n1p1", "xvdb1"}) {
    EXPECT_FALSE(tree.IsDisk(name)) << name;
  }
}

TEST(BlockDevicesTest, SoItDoesWithoutSys) {
  for (const char* name : kLayers) EXPECT_FALSE(IsWholeDisk(name, {})) << name;
  for (const char* name : kDisks) EXPECT_TRUE(IsWholeDisk(name, {})) << name;
  for (const char* name :
       {"sda1", "sdab12", "vda2", "xvda1", "hda1", "dasda1", "nvme0n1p1",
        "mmcblk0p2", "nbd0p1", "cciss/c0d0p1", "loop0p1", "md127p1"}) {
    EXPECT_FALSE(IsWholeDisk(name, {})) << name;
  }
}

TEST(BlockDevicesTest, PathsNameTheirDisk) {
  EXPECT_EQ(MultipathDisk("nvme0c0n1"), "nvme0n1");
  EXPECT_EQ(MultipathDisk("nvme12c345n6"), "nvme12n6");
  for (const char* name : {"", "nvme0n1", "nvme0c0n1p1", "nvme0c0", "nvmec0n1",
                           "nvme0cn1", "nvme0c0n", "sda", "xnvme0c0n1"}) {
    EXPECT_EQ(MultipathDisk(name), "") << name;
  }
}

}  // namespace
}  // namespace specula::agent
