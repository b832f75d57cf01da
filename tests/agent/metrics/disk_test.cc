#include "agent/metrics/disk.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::vector<Mount> ReadTree(absl::string_view file) {
  const ProcRoot root(absl::StrCat(testing::TestDataDirectory(), "/proc/"));
  return ParseMountInfo(root.Read(file).value());
}

Mount MakeMount(std::string device, std::string root, std::string point,
                std::string type = "ext4") {
  Mount mount;
  mount.device = std::move(device);
  mount.root = std::move(root);
  mount.mount_point = std::move(point);
  mount.type = std::move(type);
  return mount;
}

std::vector<std::string> Points(const SelectedMounts& selected) {
  std::vector<std::string> points;
  for (const Mount& mount : selected.mounts) {
    points.push_back(mount.mount_point);
  }
  return points;
}

std::vector<std::string> Select(std::vector<Mount> mounts) {
  return Points(SelectMounts(std::move(mounts)));
}

TEST(DiskTest, MountsOfAServer) {
  const SelectedMounts selected =
      SelectMounts(ReadTree("mounts/proc/1/mountinfo"));
  EXPECT_THAT(
      Points(selected),
      ElementsAre("/", "/boot/efi", "/btr", "/home/ann/remote",
                  "/media/My Backup\tDisk", "/mnt/emergency", "/mnt/failed",
                  "/net/nas", "/net/old", "/net/win", "/srv/data", "/tank",
                  "/tank/home", "/tank/vm images"));
  EXPECT_EQ(selected.excluded, 31);
}

TEST(DiskTest, MountsOfAnLxcContainer) {
  EXPECT_THAT(Select(ReadTree("lxc/proc/1/mountinfo")), ElementsAre("/"));
}

TEST(DiskTest, TheOverlayIsTheDiskOfAContainer) {
  // Only files that the engine mounted are on a real disk.
  const SelectedMounts selected =
      SelectMounts(ReadTree("container/proc/self/mountinfo"));
  EXPECT_THAT(Points(selected), ElementsAre("/"));
  EXPECT_EQ(selected.mounts[0].type, "overlay");
  EXPECT_EQ(selected.excluded, 7);
}

TEST(DiskTest, AVolumeOfAContainerStandsForADisk) {
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/", "overlay"),
                      MakeMount("8:1", "/data", "/data")}),
              ElementsAre("/data"));
}

TEST(DiskTest, OverlaysElsewhereAreNoDisks) {
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/var/lib/x/merged", "overlay")}),
              IsEmpty());
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/", "overlay"),
                      MakeMount("8:1", "/", "/mnt")}),
              ElementsAre("/mnt"));
}

TEST(DiskTest, OneMountForEachDevice) {
  const struct {
    const char* what;
    std::vector<Mount> mounts;
    std::vector<std::string> points;
  } kCases[] = {
      {"bind mounts show a part",
       {MakeMount("8:1", "/www", "/a"), MakeMount("8:1", "/", "/srv/data"),
        MakeMount("8:1", "/w", "/b")},
       {"/srv/data"}},
      {"of two whole ones the shorter point",
       {MakeMount("8:1", "/", "/mnt/longer"), MakeMount("8:1", "/", "/mnt")},
       {"/mnt"}},
      {"of two of one length the first by name, in any order",
       {MakeMount("8:1", "/", "/b"), MakeMount("8:1", "/", "/a")},
       {"/a"}},
      {"the same",
       {MakeMount("8:1", "/", "/a"), MakeMount("8:1", "/", "/b")},
       {"/a"}},
      {"subvolumes are one file system",
       {MakeMount("0:55", "/@snapshots", "/a", "btrfs"),
        MakeMount("0:55", "/@data", "/btr", "btrfs")},
       {"/btr"}},
      {"devices of one size are several",
       {MakeMount("8:1", "/", "/a"), MakeMount("8:17", "/", "/b")},
       {"/a", "/b"}},
      {"the last mount on a point covers those before",
       {MakeMount("8:1", "/", "/mnt"), MakeMount("8:17", "/", "/mnt", "xfs")},
       {"/mnt"}},
      {"a disk below a tmpfs cannot be seen",
       {MakeMount("8:1", "/", "/mnt"), MakeMount("0:9", "/", "/mnt", "tmpfs")},
       {}},
      {"a disk on an automount point can",
       {MakeMount("0:9", "/", "/net/x", "autofs"),
        MakeMount("0:60", "/", "/net/x", "nfs4")},
       {"/net/x"}},
  };
  for (const auto& test : kCases) {
    const SelectedMounts selected = SelectMounts(test.mounts);
    EXPECT_EQ(Points(selected), test.points) << test.what;
    EXPECT_EQ(selected.excluded,
              static_cast<int>(test.mounts.size() - test.points.size()))
        << test.what;
  }
  EXPECT_EQ(SelectMounts({MakeMount("8:1", "/", "/mnt"),
                          MakeMount("8:17", "/", "/mnt", "xfs")})
                .mounts[0]
                .device,
            "8:17");
}

TEST(DiskTest, InternalsOfTheSystemAndOfContainerEnginesAreLeftOut) {
  const struct {
    const char* point;
    bool counts;
  } kCases[] = {
      {"/", true},
      {"/dev", false},
      {"/dev/shm", false},
      {"/device", true},
      {"/proc", false},
      {"/proc/meminfo", false},
      {"/process", true},
      {"/sys/fs/x", false},
      {"/system", true},
      {"/run/credentials/x.service", false},
      {"/run/media/ann/stick", true},
      {"/var/lib/docker", true},  // a disk of its own
      {"/var/lib/docker/overlay2/x/merged", false},
      {"/var/lib/docker-data", true},
      {"/var/lib/containers/storage", true},
      {"/var/lib/containers/storage/overlay/x", false},
      {"/var/lib/kubelet", true},
      {"/var/lib/kubelet/pods", true},
      {"/var/lib/kubelet/pods/x/volumes/y", false},
      {"/var/lib/containerd", true},
      {"/var/lib/containerd/io.x", false},
      {"/etc/hosts", false},
      {"/etc/hostname", false},
      {"/etc/resolv.conf", false},
      {"/etc", true},
      {"/etc/hosts.d", true},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Select({MakeMount("8:1", "/", test.point)}).size(),
              test.counts ? 1u : 0u)
        << test.point;
  }
}

TEST(DiskTest, PseudoFileSystemsAreLeftOut) {
  for (const char* type :
       {"tmpfs",         "devtmpfs",        "squashfs",    "autofs",
        "cgroup",        "cgroup2",         "proc",        "sysfs",
        "tracefs",       "debugfs",         "overlay",     "aufs",
        "nsfs",          "ramfs",           "iso9660",     "fuse.lxcfs",
        "fuse.snapfuse", "fuse.gvfsd-fuse", "binfmt_misc", "bpf",
        "mqueue",        "hugetlbfs",       "rpc_pipefs",  "erofs"}) {
    EXPECT_THAT(Select({MakeMount("8:1", "/", "/mnt", type)}), IsEmpty())
        << type;
  }
  for (const char* type :
       {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "vfat", "exfat", "ntfs3",
        "fuseblk", "f2fs", "bcachefs", "jfs", "udf", "nfs4", "fuse.sshfs", "9p",
        "virtiofs"}) {
    EXPECT_THAT(Select({MakeMount("8:1", "/", "/mnt", type)}),
                ElementsAre("/mnt"))
        << type;
  }
}

TEST(DiskTest, NothingMountedIsNothingSelected) {
  const SelectedMounts selected = SelectMounts({});
  EXPECT_THAT(selected.mounts, IsEmpty());
  EXPECT_EQ(selected.excluded, 0);
}

TEST(DiskTest, RemoteIsWhatMayHang) {
  for (const char* type :
       {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse", "fuse.sshfs",
        "fuse.s3fs", "glusterfs", "virtiofs"}) {
    EXPECT_TRUE(IsRemoteType(type)) << type;
  }
  for (const char* type :
       {"ext4", "xfs", "btrfs", "zfs", "fuseblk", "nfsd", "overlay", ""}) {
    EXPECT_FALSE(IsRemoteType(type)) << type;
  }
}

TEST(DiskTest, OnlyWhatNeverWaitsIsPrompt) {
  for (const char* type : {"ext2", "ext3", "ext4", "vfat", "f2fs"}) {
    EXPECT_TRUE(IsPromptType(type)) << type;
    EXPECT_FALSE(IsRemoteType(type)) << type;
  }
  for (const char* type : {"xfs", "btrfs", "zfs", "nfs4", "fuse", "fuseblk",
                           "fuse.ext4", "ext4x", "overlay", "9p", ""}) {
    EXPECT_FALSE(IsPromptType(type)) << type;
  }
}

struct statvfs Space(uint64_t blocks, uint64_t free, uint64_t available,
                     uint64_t block_bytes = 4096) {
  struct statvfs space = {};
  space.f_blocks = blocks;
  space.f_bfree = free;
  space.f_bavail = available;
  space.f_frsize = block_bytes;
  space.f_bsize = 1 << 20;  // the preferred size for IO; no unit
  return space;
}

v1::Filesystem Row(const absl::StatusOr<struct statvfs>& space,
                   const Mount& mount = MakeMount("8:1", "/", "/mnt")) {
  v1::Filesystem row;
  FillFilesystem(mount, space, &row);
  return row;
}

TEST(DiskTest, SpaceIsWhatDfShows) {
  struct statvfs space = Space(1000, 400, 350, 1024);
  space.f_files = 500;
  space.f_ffree = 480;
  const v1::Filesystem row = Row(space);
  EXPECT_EQ(row.quality(), v1::QUALITY_OK);
  EXPECT_EQ(row.total_bytes(), 1000 * 1024);
  EXPECT_EQ(row.used_bytes(), 600 * 1024);
  EXPECT_EQ(row.available_bytes(), 350 * 1024);
  EXPECT_DOUBLE_EQ(row.utilization(), 600.0 / 950);
  EXPECT_EQ(row.inodes_total_count(), 500);
  EXPECT_EQ(row.inodes_used_count(), 20);
}

TEST(DiskTest, ARowSaysWhatIsMountedWhere) {
  Mount mount = MakeMount("0:60", "/", "/net/a\xff", "nfs4");
  mount.source = "nas:/export\xfe";
  mount.read_only = true;
  const v1::Filesystem row = Row(Space(1, 1, 1), mount);
  EXPECT_EQ(row.device(), "0:60");
  EXPECT_EQ(row.mount_point(), "/net/a\ufffd");
  EXPECT_EQ(row.source(), "nas:/export\ufffd");
  EXPECT_EQ(row.type(), "nfs4");
  EXPECT_TRUE(row.read_only());
}

TEST(DiskTest, WhatDoesNotAnswerHasNoNumbers) {
  const struct {
    absl::Status status;
    v1::Quality quality;
  } kCases[] = {
      {absl::DeadlineExceededError("x"), v1::QUALITY_STALLED},
      {absl::PermissionDeniedError("x"), v1::QUALITY_UNAVAILABLE},
      {absl::NotFoundError("x"), v1::QUALITY_UNAVAILABLE},
      {absl::UnknownError("x"), v1::QUALITY_UNAVAILABLE},
  };
  for (const auto& test : kCases) {
    const v1::Filesystem row = Row(test.status);
    EXPECT_EQ(row.quality(), test.quality) << test.status;
    EXPECT_FALSE(row.has_utilization());
    EXPECT_EQ(row.total_bytes(), 0);
    EXPECT_EQ(row.mount_point(), "/mnt");
  }
}

TEST(DiskTest, OddSpaceIsCutToItsRange) {
  // More free than there is.
  v1::Filesystem row = Row(Space(100, 200, 200));
  EXPECT_EQ(row.used_bytes(), 0);
  EXPECT_DOUBLE_EQ(row.utilization(), 0);
  // Reserved blocks are in use: nothing is available, and df says 100 %.
  row = Row(Space(100, 5, 0));
  EXPECT_DOUBLE_EQ(row.utilization(), 1);
  // A file system without a size.
  row = Row(Space(0, 0, 0));
  EXPECT_EQ(row.quality(), v1::QUALITY_OK);
  EXPECT_FALSE(row.has_utilization());
  row = Row(Space(100, 50, 50, 0));
  EXPECT_EQ(row.total_bytes(), 0);
  EXPECT_FALSE(row.has_utilization());
  // Free inodes beyond their number.
  struct statvfs space = Space(1, 1, 1);
  space.f_files = 5;
  space.f_ffree = 9;
  EXPECT_EQ(Row(space).inodes_used_count(), 0);
}

TEST(DiskTest, GreatestSpaceOverflowsNothing) {
  constexpr uint64_t kAll = ~uint64_t{0};
  struct statvfs space = Space(kAll, 0, kAll);
  space.f_files = kAll;
  v1::Filesystem row = Row(space);
  EXPECT_EQ(row.total_bytes(), kMost);
  EXPECT_EQ(row.used_bytes(), kMost);
  EXPECT_EQ(row.available_bytes(), kMost);
  EXPECT_DOUBLE_EQ(row.utilization(), 0.5);
  EXPECT_EQ(row.inodes_total_count(), kMost);
  // The last size that fits, and the first that does not.
  EXPECT_EQ(Row(Space(uint64_t{1} << 51, 0, 0, 4096)).total_bytes(), kMost);
  EXPECT_EQ(Row(Space((uint64_t{1} << 51) - 1, 0, 0, 4096)).total_bytes(),
            kMost - 4095);
}

v1::Filesystem* AddRow(v1::Disk& disk, std::string type, int64_t total,
                       int64_t used, int64_t available = 0,
                       std::string source = "") {
  v1::Filesystem* row = disk.add_filesystems();
  row->set_type(std::move(type));
  row->set_source(std::move(source));
  row->set_total_bytes(total);
  row->set_used_bytes(used);
  row->set_available_bytes(available);
  row->set_quality(v1::QUALITY_OK);
  return row;
}

TEST(DiskTest, TheSumIsOfLocalWritableFileSystems) {
  v1::Disk disk;
  AddRow(disk, "ext4", 100, 30);
  AddRow(disk, "xfs", 1000, 200);
  AddRow(disk, "nfs4", 50'000, 40'000);
  AddRow(disk, "fuse.sshfs", 50'000, 40'000);
  AddRow(disk, "ext4", 70'000, 60'000)->set_read_only(true);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.total_bytes(), 1100);
  EXPECT_EQ(disk.used_bytes(), 230);
  EXPECT_EQ(disk.quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.filesystems_size(), 5) << "what does not count is shown";
}

TEST(DiskTest, DatasetsShareTheFreeSpaceOfTheirPool) {
  v1::Disk disk;
  AddRow(disk, "zfs", 510, 10, 500, "tank");
  AddRow(disk, "zfs", 520, 20, 500, "tank/home");
  // One with a quota has less available than the pool.
  AddRow(disk, "zfs", 45, 40, 5, "tank/home/ann");
  AddRow(disk, "zfs", 8, 1, 7, "backup/x");
  AddRow(disk, "ext4", 100, 30, 60);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.used_bytes(), 10 + 20 + 40 + 1 + 30);
  EXPECT_EQ(disk.total_bytes(), (10 + 20 + 40 + 500) + (1 + 7) + 100);
}

TEST(DiskTest, OneStalledRowMarksTheWholeAndDoesNotCount) {
  v1::Disk disk;
  AddRow(disk, "ext4", 100, 30);
  AddRow(disk, "xfs", 999, 999)->set_quality(v1::QUALITY_STALLED);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.quality(), v1::QUALITY_STALLED);
  EXPECT_EQ(disk.total_bytes(), 100);
  EXPECT_EQ(disk.used_bytes(), 30);
  disk.mutable_filesystems(1)->set_quality(v1::QUALITY_UNAVAILABLE);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.total_bytes(), 100);
  // Also one that would not count stalls.
  AddRow(disk, "nfs4", 0, 0)->set_quality(v1::QUALITY_STALLED);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.quality(), v1::QUALITY_STALLED);
}

TEST(DiskTest, GreatestSumsOverflowNothing) {
  v1::Disk disk;
  for (int i = 0; i < 3; ++i) AddRow(disk, "ext4", kMost, kMost, kMost);
  AddRow(disk, "zfs", kMost, kMost, kMost, "a");
  AddRow(disk, "zfs", kMost, kMost, kMost, "b");
  SumFilesystems(&disk);
  EXPECT_EQ(disk.total_bytes(), kMost);
  EXPECT_EQ(disk.used_bytes(), kMost);
}

DiskCounters Counters(std::string name) {
  DiskCounters disk;
  disk.name = std::move(name);
  disk.reads = 1000;
  disk.sectors_read = 80'000;
  disk.read_milliseconds = 500;
  disk.writes = 2000;
  disk.sectors_written = 160'000;
  disk.write_milliseconds = 900;
  disk.busy_milliseconds = 1200;
  return disk;
}

v1::Disk Devices(const std::vector<DiskCounters>* previous,
                 const std::vector<DiskCounters>& current,
                 absl::Duration window = absl::Seconds(2)) {
  v1::Disk disk;
  FillDevices(
      previous, current, window,
      [](const std::string& name) { return !absl::EndsWith(name, "p1"); },
      &disk);
  return disk;
}

TEST(DiskTest, DevicesHaveTheirRates) {
  const std::vector<DiskCounters> before = {Counters("sda")};
  std::vector<DiskCounters> after = before;
  after[0].reads += 30;
  after[0].sectors_read += 400;
  after[0].read_milliseconds += 60;
  after[0].writes += 10;
  after[0].sectors_written += 100;
  after[0].write_milliseconds += 20;
  after[0].busy_milliseconds += 500;
  const v1::Disk disk = Devices(&before, after);
  ASSERT_EQ(disk.devices_size(), 1);
  const v1::BlockDevice& device = disk.devices(0);
  EXPECT_EQ(device.name(), "sda");
  EXPECT_EQ(device.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(device.read_bytes_per_second(), 400 * 512 / 2.0);
  EXPECT_DOUBLE_EQ(device.written_bytes_per_second(), 100 * 512 / 2.0);
  EXPECT_DOUBLE_EQ(device.reads_per_second(), 15);
  EXPECT_DOUBLE_EQ(device.writes_per_second(), 5);
  EXPECT_DOUBLE_EQ(device.utilization(), 0.25);
  // 80 ms for 40 requests.
  EXPECT_EQ(device.mean_latency().seconds(), 0);
  EXPECT_EQ(device.mean_latency().nanos(), 2'000'000);
  EXPECT_EQ(disk.window().seconds(), 2);
}

TEST(DiskTest, AnIdleDeviceHasNoLatency) {
  const std::vector<DiskCounters> same = {Counters("sda")};
  const v1::Disk disk = Devices(&same, same);
  EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.devices(0).read_bytes_per_second(), 0);
  EXPECT_FALSE(disk.devices(0).has_mean_latency());
}

TEST(DiskTest, MillisecondsThatWrapGiveNoLatency) {
  // They are 32 bits wide in the kernel, and run fast with many requests.
  const std::vector<DiskCounters> before = {Counters("sda")};
  std::vector<DiskCounters> after = before;
  after[0].reads += 30;
  after[0].read_milliseconds = 3;
  const v1::Disk disk = Devices(&before, after);
  EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(disk.devices(0).reads_per_second(), 15);
  EXPECT_FALSE(disk.devices(0).has_mean_latency());
}

TEST(DiskTest, BusyTimeIsAtMostAll) {
  const std::vector<DiskCounters> before = {Counters("sda")};
  std::vector<DiskCounters> after = before;
  after[0].busy_milliseconds += 2100;
  EXPECT_DOUBLE_EQ(Devices(&before, after).devices(0).utilization(), 1);
}

TEST(DiskTest, PartitionsAreLeftOut) {
  const std::vector<DiskCounters> disks = {
      Counters("nvme0n1"), Counters("nvme0n1p1"), Counters("sdb")};
  const v1::Disk disk = Devices(&disks, disks);
  ASSERT_EQ(disk.devices_size(), 2);
  EXPECT_EQ(disk.devices(0).name(), "nvme0n1");
  EXPECT_EQ(disk.devices(1).name(), "sdb");
}

TEST(DiskTest, OfADiskAndItsPathsOneCounts) {
  const auto names = [](const std::vector<DiskCounters>& all) {
    std::vector<std::string> shown;
    const v1::Disk disk = Devices(&all, all);
    for (const v1::BlockDevice& device : disk.devices()) {
      shown.push_back(device.name());
    }
    return shown;
  };
  std::vector<DiskCounters> disks = {Counters("nvme0n1"), Counters("nvme0c0n1"),
                                     Counters("nvme0c1n1"),
                                     Counters("nvme1c0n1")};
  EXPECT_EQ(names(disks), (std::vector<std::string>{"nvme0n1", "nvme1c0n1"}));
  // Before Linux 6.4 only the paths count.
  disks[0] = DiskCounters{.name = "nvme0n1"};
  EXPECT_EQ(names(disks).size(), 4U);
}

TEST(DiskTest, FirstAndNewDevicesHaveNoRates) {
  const std::vector<DiskCounters> before = {Counters("sda")};
  const std::vector<DiskCounters> after = {Counters("sdb"), Counters("sda")};
  const v1::Disk first = Devices(nullptr, after);
  EXPECT_EQ(first.devices(0).quality(), v1::QUALITY_FIRST);
  EXPECT_EQ(first.devices(0).reads_per_second(), 0);
  EXPECT_FALSE(first.has_window());
  const v1::Disk disk = Devices(&before, after);
  EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_FIRST);
  EXPECT_EQ(disk.devices(1).quality(), v1::QUALITY_OK);
  EXPECT_EQ(Devices(&before, after, absl::ZeroDuration()).devices(1).quality(),
            v1::QUALITY_FIRST);
}

TEST(DiskTest, CountersThatRunBackwardsAreAReset) {
  const struct {
    const char* what;
    int64_t DiskCounters::*counter;
  } kCases[] = {
      {"reads", &DiskCounters::reads},
      {"sectors_read", &DiskCounters::sectors_read},
      {"writes", &DiskCounters::writes},
      {"sectors_written", &DiskCounters::sectors_written},
      {"busy_milliseconds", &DiskCounters::busy_milliseconds},
  };
  for (const auto& test : kCases) {
    const std::vector<DiskCounters> before = {Counters("sda"), Counters("sdb")};
    std::vector<DiskCounters> after = before;
    after[0].*test.counter -= 1;
    const v1::Disk disk = Devices(&before, after);
    EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_RESET) << test.what;
    EXPECT_EQ(disk.devices(0).writes_per_second(), 0) << test.what;
    EXPECT_EQ(disk.devices(1).quality(), v1::QUALITY_OK) << test.what;
  }
}

TEST(DiskTest, ARecordedReplacementIsAReset) {
  const ProcRoot root(
      absl::StrCat(testing::TestDataDirectory(), "/proc/backwards"));
  const auto before =
      ParseDiskStats(root.Read("/before/proc/diskstats").value());
  const auto after = ParseDiskStats(root.Read("/after/proc/diskstats").value());
  const v1::Disk disk = Devices(&before, after);
  ASSERT_EQ(disk.devices_size(), 1);
  EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_RESET);
}

TEST(DiskTest, GreatestCountersOverflowNothing) {
  const std::vector<DiskCounters> before = {DiskCounters{.name = "sda"}};
  std::vector<DiskCounters> after = before;
  after[0].reads = after[0].writes = kMost;
  after[0].read_milliseconds = after[0].write_milliseconds = kMost;
  after[0].busy_milliseconds = kMost;
  const v1::Disk disk = Devices(&before, after);
  EXPECT_EQ(disk.devices(0).quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(disk.devices(0).utilization(), 1);
  EXPECT_EQ(disk.devices(0).mean_latency().nanos(), 1'000'000);
}

TEST(DiskTest, ImpossibleRatesAreAReset) {
  constexpr int64_t kFiftyGigabytes = int64_t{50'000'000'000} / 512;
  for (int64_t DiskCounters::*counter :
       {&DiskCounters::sectors_read, &DiskCounters::sectors_written}) {
    const std::vector<DiskCounters> before = {Counters("sda")};
    std::vector<DiskCounters> after = before;
    after[0].*counter += 2 * kFiftyGigabytes;
    EXPECT_EQ(Devices(&before, after).devices(0).quality(), v1::QUALITY_OK);
    after[0].*counter += 2;
    EXPECT_EQ(Devices(&before, after).devices(0).quality(), v1::QUALITY_RESET);
    after[0].*counter = kMost;
    EXPECT_EQ(Devices(&before, after).devices(0).quality(), v1::QUALITY_RESET);
  }
}

}  // namespace
}  // namespace specula::agent
