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
#include "gtest/gtest.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

Mount MakeMount(std::string device, std::string root, std::string point,
                std::string type = "ext4") {
  Mount mount;
  mount.device = std::move(device);
  mount.root = std::move(root);
  mount.mount_point = std::move(point);
  mount.type = std::move(type);
  return mount;
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
  EXPECT_FALSE(row.turned_read_only());
  mount.turned_read_only = true;
  EXPECT_TRUE(Row(Space(1, 1, 1), mount).turned_read_only());
  EXPECT_TRUE(Row(absl::DeadlineExceededError("x"), mount).turned_read_only());
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

TEST(DiskTest, FiguresOutOfTheirRangeAreCutToIt) {
  constexpr auto kMinus = [](uint64_t count) { return ~count + 1; };
  constexpr v1::Quality kOk = v1::QUALITY_OK, kCut = v1::QUALITY_CLAMPED;
  const struct {
    const char* what;
    uint64_t blocks, free, available;
    v1::Quality quality;
    int64_t used, left;
    double utilization;  // -1: none
  } kCases[] = {
      {"reserved blocks are in use, and df says 100 %", 100, 5, 0, kOk, 95, 0,
       1},
      {"more free than there is", 100, 200, 200, kCut, 0, 100, 0},
      {"more available than there is", 100, 50, 200, kCut, 50, 50, 0.5},
      {"beyond a quota of 32 bits", 100, 1, 0xfffffffd, kCut, 99, 0, 1},
      {"and its greatest number", 100, 1, 0x7fffffff, kCut, 99, 1, 0.99},
      {"beyond a quota", 100, 1, kMinus(3), kCut, 99, 0, 1},
      {"by one block, or not known", 100, 1, kMinus(1), kCut, 99, 0, 1},
      {"beyond the size", 100, kMinus(5), kMinus(5), kCut, 100, 0, 1},
      {"no space that is free, and some available", 100, kMinus(5), 10, kCut,
       100, 10, 100. / 110},
      {"nothing in use, and nothing to be used", 100, 100, kMinus(9), kCut, 0,
       0, 1},
      {"the least number", 100, 1, uint64_t{1} << 63, kCut, 99, 0, 1},
      {"without a size", 0, 0, 0, kOk, 0, 0, -1},
      {"all reserved", 100, 100, 0, kOk, 0, 0, -1},
  };
  for (const auto& test : kCases) {
    const v1::Filesystem row =
        Row(Space(test.blocks, test.free, test.available, 1024));
    EXPECT_EQ(row.quality(), test.quality) << test.what;
    EXPECT_EQ(row.total_bytes(), static_cast<int64_t>(test.blocks) * 1024)
        << test.what;
    EXPECT_EQ(row.used_bytes(), test.used * 1024) << test.what;
    EXPECT_EQ(row.available_bytes(), test.left * 1024) << test.what;
    EXPECT_EQ(row.has_utilization(), test.utilization >= 0) << test.what;
    EXPECT_DOUBLE_EQ(row.has_utilization() ? row.utilization() : -1,
                     test.utilization)
        << test.what;
  }
  const v1::Filesystem row = Row(Space(100, 50, 50, 0));
  EXPECT_EQ(row.total_bytes(), 0);
  EXPECT_FALSE(row.has_utilization());
}

TEST(DiskTest, InodesOutOfTheirRangeAreCutToIt) {
  constexpr uint64_t kAll = ~uint64_t{0};
  const struct {
    uint64_t files, free;
    v1::Quality quality;
    int64_t total, used;
  } kCases[] = {
      {500, 480, v1::QUALITY_OK, 500, 20},
      {5, 9, v1::QUALITY_CLAMPED, 5, 0},
      {5, kAll - 2, v1::QUALITY_CLAMPED, 5, 5},
      {0, 0, v1::QUALITY_OK, 0, 0},
      // No fixed number.
      {kAll, kAll, v1::QUALITY_OK, 0, 0},
      {kAll, 0, v1::QUALITY_OK, 0, 0},
  };
  for (const auto& test : kCases) {
    struct statvfs space = Space(1, 1, 1);
    space.f_files = test.files;
    space.f_ffree = test.free;
    const v1::Filesystem row = Row(space);
    EXPECT_EQ(row.quality(), test.quality) << test.files << " " << test.free;
    EXPECT_EQ(row.inodes_total_count(), test.total);
    EXPECT_EQ(row.inodes_used_count(), test.used);
  }
}

TEST(DiskTest, ASizeThatCannotBeIsNoSize) {
  constexpr uint64_t kAll = ~uint64_t{0};
  for (const struct statvfs& space :
       {Space(kAll, 0, kAll), Space(kAll, kAll, kAll), Space(kAll - 4, 0, 0, 1),
        Space(uint64_t{1} << 63, 0, 0, 0), Space(uint64_t{1} << 51, 0, 0),
        Space(1 << 20, 0, 0, kAll)}) {
    const v1::Filesystem row = Row(space);
    EXPECT_EQ(row.quality(), v1::QUALITY_UNAVAILABLE);
    EXPECT_EQ(row.total_bytes(), 0);
    EXPECT_EQ(row.used_bytes(), 0);
    EXPECT_FALSE(row.has_utilization());
  }
  // The last size that fits.
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

TEST(DiskTest, WhatTurnedReadOnlyIsStillADisk) {
  v1::Disk disk;
  v1::Filesystem* row = AddRow(disk, "ext4", 100, 30);
  row->set_read_only(true);
  row->set_turned_read_only(true);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.total_bytes(), 100);
  EXPECT_EQ(disk.used_bytes(), 30);
}

TEST(DiskTest, FiguresThatWereCutCountAndThoseThatAreNoneDoNot) {
  v1::Disk disk;
  AddRow(disk, "ext4", 100, 100)->set_quality(v1::QUALITY_CLAMPED);
  AddRow(disk, "ext4", kMost, kMost)->set_quality(v1::QUALITY_UNAVAILABLE);
  SumFilesystems(&disk);
  EXPECT_EQ(disk.total_bytes(), 100);
  EXPECT_EQ(disk.used_bytes(), 100);
}

TEST(DiskTest, MemoryIsADiskWhereItIsTheRoot) {
  for (const char* type : {"tmpfs", "ramfs", "rootfs"}) {
    v1::Disk disk;
    AddRow(disk, type, 100, 30)->set_mount_point("/");
    AddRow(disk, type, 1000, 1000)->set_mount_point("/tmp");
    SumFilesystems(&disk);
    EXPECT_EQ(disk.total_bytes(), 100) << type;
    EXPECT_EQ(disk.used_bytes(), 30) << type;
  }
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
