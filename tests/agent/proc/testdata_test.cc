// The trees of tests/testdata/proc, read through ProcRoot and parsed: what the
// rest of the agent's tests rely on.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

std::string Tree(absl::string_view name) {
  return absl::StrCat(testing::TestDataDirectory(), "/proc/", name);
}

std::string ReadOrFail(const ProcRoot& root, absl::string_view path) {
  auto text = root.Read(path);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

CpuStat ReadCpuStat(absl::string_view tree) {
  auto stat = ParseCpuStat(ReadOrFail(ProcRoot(Tree(tree)), "/proc/stat"));
  EXPECT_TRUE(stat.ok()) << stat.status();
  return stat.value_or(CpuStat());
}

std::vector<int> Numbers(const CpuStat& stat) {
  std::vector<int> numbers;
  for (const auto& [number, counters] : stat.cores) numbers.push_back(number);
  return numbers;
}

TEST(TestdataTest, LinksStayWithinTheirTree) {
  int links = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           absl::StrCat(testing::TestDataDirectory(), "/proc"))) {
    if (!entry.is_symlink()) continue;
    ++links;
    EXPECT_TRUE(std::filesystem::read_symlink(entry).is_relative()) << entry;
    EXPECT_TRUE(std::filesystem::exists(entry)) << entry;
  }
  EXPECT_GT(links, 0);
}

TEST(TestdataTest, Debian12Vm) {
  const ProcRoot root(Tree("debian12-vm"));
  const CpuStat stat = ReadCpuStat("debian12-vm");
  EXPECT_THAT(Numbers(stat), ElementsAre(0, 1));
  EXPECT_GT(stat.boot_time_seconds, 0);
  auto memory = ParseMemInfo(ReadOrFail(root, "/proc/meminfo"));
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->total, int64_t{24684092} * 1024);
  EXPECT_LE(memory->available, memory->total);
  EXPECT_EQ(memory->hugepage_size, 2048 * 1024);
  auto load = ParseLoadAverage(ReadOrFail(root, "/proc/loadavg"));
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_GT(load->tasks, 0);
  auto uptime = ParseUptime(ReadOrFail(root, "/proc/uptime"));
  ASSERT_TRUE(uptime.ok()) << uptime.status();
  EXPECT_GT(*uptime, 0);
  for (absl::string_view kind : {"cpu", "memory", "io"}) {
    auto pressure =
        ParsePressure(ReadOrFail(root, absl::StrCat("/proc/pressure/", kind)));
    ASSERT_TRUE(pressure.ok()) << pressure.status();
    EXPECT_TRUE(pressure->full.has_value());
  }
  EXPECT_THAT(ParseDiskStats(ReadOrFail(root, "/proc/diskstats")),
              Contains(AllOf(Field(&DiskCounters::name, "vda"),
                             Field(&DiskCounters::reads, Gt(0)))));
  EXPECT_THAT(ParseNetDev(ReadOrFail(root, "/proc/net/dev")),
              ElementsAre(Field(&InterfaceCounters::name, "lo"),
                          Field(&InterfaceCounters::name, "ifb0"),
                          Field(&InterfaceCounters::name, "ifb1"),
                          Field(&InterfaceCounters::name, "eth0")));
  EXPECT_THAT(ParseMountInfo(ReadOrFail(root, "/proc/1/mountinfo")),
              Contains(AllOf(Field(&Mount::mount_point, "/"),
                             Field(&Mount::device, "254:0"),
                             Field(&Mount::type, "ext4"))));
  EXPECT_EQ(ParseCpuModel(ReadOrFail(root, "/proc/cpuinfo")), "AMD EPYC");
  EXPECT_EQ(ParseOsName(ReadOrFail(root, "/etc/os-release")),
            "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(ReadOrFail(root, "/proc/sys/kernel/hostname"), "vm1\n");
  EXPECT_EQ(ReadOrFail(root, "/proc/sys/kernel/osrelease"), "6.1.0-28-amd64\n");
  EXPECT_EQ(ReadOrFail(root, "/proc/sys/kernel/random/boot_id").size(), 37u);
  EXPECT_THAT(ReadOrFail(root, "/proc/version"), StartsWith("Linux version "));
}

TEST(TestdataTest, LxcHasMoreAvailableThanTotal) {
  const ProcRoot root(Tree("lxc"));
  auto memory = ParseMemInfo(ReadOrFail(root, "/proc/meminfo"));
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_GT(memory->available, memory->total);
  EXPECT_THAT(
      ParseNetDev(ReadOrFail(root, "/proc/net/dev")),
      Contains(AllOf(Field(&InterfaceCounters::name, "eth0"),
                     Field(&InterfaceCounters::received_bytes, 7340012331))));
  auto link = root.ReadLink("/sys/class/net/eth0");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_THAT(*link, HasSubstr("/virtual/"));
  EXPECT_THAT(ParseMountInfo(ReadOrFail(root, "/proc/1/mountinfo")),
              Contains(AllOf(Field(&Mount::mount_point, "/proc/meminfo"),
                             Field(&Mount::type, "fuse.lxcfs"))));
  EXPECT_THAT(ParseDiskStats(ReadOrFail(root, "/proc/diskstats")), IsEmpty());
}

TEST(TestdataTest, Big128CoreAddsUp) {
  const CpuStat stat = ReadCpuStat("big-128core");
  ASSERT_EQ(stat.cores.size(), 128u);
  int64_t user = 0;
  for (const auto& [number, counters] : stat.cores) user += counters.user;
  EXPECT_EQ(user, stat.total.user);
  auto online = CountCpuList(ReadOrFail(ProcRoot(Tree("big-128core")),
                                        "/sys/devices/system/cpu/online"));
  ASSERT_TRUE(online.ok()) << online.status();
  EXPECT_EQ(*online, 128);
}

TEST(TestdataTest, OfflineCpuLosesCoreTwo) {
  EXPECT_THAT(Numbers(ReadCpuStat("offline-cpu/before")),
              ElementsAre(0, 1, 2, 3, 4, 6, 7));
  EXPECT_THAT(Numbers(ReadCpuStat("offline-cpu/after")),
              ElementsAre(0, 1, 3, 4, 6, 7));
  for (absl::string_view tree : {"offline-cpu/before", "offline-cpu/after"}) {
    auto online = CountCpuList(
        ReadOrFail(ProcRoot(Tree(tree)), "/sys/devices/system/cpu/online"));
    ASSERT_TRUE(online.ok()) << online.status();
    EXPECT_EQ(static_cast<size_t>(*online), ReadCpuStat(tree).cores.size());
  }
  EXPECT_GT(ReadCpuStat("offline-cpu/after").total.idle,
            ReadCpuStat("offline-cpu/before").total.idle);
}

TEST(TestdataTest, CountersOfBackwardsGoBack) {
  const CpuStat before = ReadCpuStat("backwards/before");
  const CpuStat after = ReadCpuStat("backwards/after");
  ASSERT_EQ(before.cores.size(), 2u);
  ASSERT_EQ(after.cores.size(), 2u);
  EXPECT_LT(after.cores[1].second.idle, before.cores[1].second.idle);
  EXPECT_LT(after.cores[1].second.iowait, before.cores[1].second.iowait);
  EXPECT_GT(after.cores[0].second.idle, before.cores[0].second.idle);
  const ProcRoot first(Tree("backwards/before")), last(Tree("backwards/after"));
  const auto nics = ParseNetDev(ReadOrFail(first, "/proc/net/dev"));
  const auto reset_nics = ParseNetDev(ReadOrFail(last, "/proc/net/dev"));
  ASSERT_EQ(nics.size(), 1u);
  ASSERT_EQ(reset_nics.size(), 1u);
  EXPECT_LT(reset_nics[0].received_bytes, nics[0].received_bytes);
  const auto disks = ParseDiskStats(ReadOrFail(first, "/proc/diskstats"));
  const auto reset_disks = ParseDiskStats(ReadOrFail(last, "/proc/diskstats"));
  ASSERT_EQ(disks.size(), 1u);
  ASSERT_EQ(reset_disks.size(), 1u);
  EXPECT_LT(reset_disks[0].busy_milliseconds, disks[0].busy_milliseconds);
}

TEST(TestdataTest, MountsAreAllUnderstood) {
  const std::string text =
      ReadOrFail(ProcRoot(Tree("mounts")), "/proc/1/mountinfo");
  const std::vector<Mount> mounts = ParseMountInfo(text);
  EXPECT_EQ(static_cast<int64_t>(mounts.size()),
            std::count(text.begin(), text.end(), '\n'));
  std::set<std::string> types, points, read_only;
  std::vector<std::string> roots_of_data;
  for (const Mount& mount : mounts) {
    types.insert(mount.type);
    points.insert(mount.mount_point);
    if (mount.read_only) read_only.insert(mount.mount_point);
    if (mount.device == "253:0") roots_of_data.push_back(mount.root);
  }
  EXPECT_THAT(
      types,
      IsSupersetOf({"ext4", "xfs", "btrfs", "zfs", "vfat", "exfat", "squashfs",
                    "overlay", "nfs", "nfs4", "cifs", "fuse.sshfs", "autofs",
                    "tmpfs", "nsfs", "cgroup2", "proc", "sysfs"}));
  EXPECT_THAT(points,
              IsSupersetOf({"/media/My Backup\tDisk", "/tank/vm images"}));
  EXPECT_THAT(
      read_only,
      ElementsAre("/mnt/emergency", "/mnt/failed",
                  "/run/credentials/systemd-sysusers.service",
                  "/snap/core22/1748", "/snap/lxd/31333", "/srv/static"));
  EXPECT_THAT(roots_of_data, ElementsAre("/", "/www", "/www/static"));
}

TEST(TestdataTest, ProcessesAreOfEveryKind) {
  const ProcRoot root(Tree("processes"));
  auto names = root.List("/proc");
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_THAT(*names, IsSupersetOf({"1", "2", "57", "811", "1042", "1043",
                                    "1050", "1100", "1200", "self", "stat"}));
  auto process = [&](absl::string_view pid) {
    auto stat = ParseProcessStat(
        ReadOrFail(root, absl::StrCat("/proc/", pid, "/stat")));
    EXPECT_TRUE(stat.ok()) << stat.status();
    return stat.value_or(ProcessStat());
  };
  auto command = [&](absl::string_view pid) {
    return ParseCommandLine(
        ReadOrFail(root, absl::StrCat("/proc/", pid, "/cmdline")), 4096);
  };
  auto group = [&](absl::string_view pid) {
    return ParseProcessCgroup(
        ReadOrFail(root, absl::StrCat("/proc/", pid, "/cgroup")));
  };
  EXPECT_EQ(process("1").name, "systemd");
  EXPECT_FALSE(process("1").kernel_thread);
  EXPECT_EQ(group("1"), "/init.scope");
  EXPECT_TRUE(process("2").kernel_thread);
  EXPECT_EQ(command("2"), "");
  EXPECT_EQ(group("2"), "/");
  EXPECT_TRUE(process("57").kernel_thread);
  EXPECT_EQ(process("57").name, "kworker/u8:3-events_unbound");
  EXPECT_EQ(command("811"), "nginx: worker process");
  EXPECT_EQ(process("1042").name, "a) b (c");
  EXPECT_EQ(process("1042").state, 'R');
  EXPECT_EQ(process("1042").user_ticks, 777);
  EXPECT_EQ(process("1042").start_ticks, 51234);
  EXPECT_EQ(process("1042").resident_pages, 640);
  EXPECT_EQ(command("1042"), "/tmp/a) b (c --flag=x y  last");
  EXPECT_EQ(process("1043").name, "new\nline");
  EXPECT_EQ(process("1050").state, 'Z');
  EXPECT_EQ(process("1050").parent_pid, 1042);
  EXPECT_EQ(process("1050").resident_pages, 0);
  EXPECT_EQ(command("1050"), "");
  EXPECT_THAT(group("1100"), StartsWith("/system.slice/docker-"));
  EXPECT_EQ(root.Read("/proc/1200/stat").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(TestdataTest, HwmonHasSensibleAndNonsenseSensors) {
  const ProcRoot root(Tree("hwmon"));
  auto chips = root.List("/sys/class/hwmon");
  ASSERT_TRUE(chips.ok()) << chips.status();
  EXPECT_THAT(*chips,
              ElementsAre("hwmon0", "hwmon1", "hwmon2", "hwmon3", "hwmon4"));
  auto read = [&](absl::string_view file) {
    return ReadOrFail(root, absl::StrCat("/sys/class/hwmon/", file));
  };
  EXPECT_EQ(read("hwmon0/name"), "coretemp\n");
  EXPECT_EQ(read("hwmon0/temp1_label"), "Package id 0\n");
  EXPECT_EQ(read("hwmon0/temp1_input"), "48000\n");
  EXPECT_EQ(read("hwmon0/temp1_crit"), "100000\n");
  EXPECT_EQ(read("hwmon2/temp2_input"), "3892314000\n");
  EXPECT_EQ(read("hwmon3/temp2_input"), "-62000\n");
  // Two chips of one name differ by their device.
  EXPECT_EQ(read("hwmon1/name"), read("hwmon0/name"));
  auto first = root.ReadLink("/sys/class/hwmon/hwmon0/device");
  auto second = root.ReadLink("/sys/class/hwmon/hwmon1/device");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, "../../../coretemp.0");
  EXPECT_EQ(*second, "../../../coretemp.1");
  EXPECT_FALSE(root.Exists("/sys/class/hwmon/hwmon4/device"));
}

TEST(TestdataTest, ContainerHasLimitsOfV2) {
  const ProcRoot root(Tree("container"));
  EXPECT_EQ(ParseProcessCgroup(ReadOrFail(root, "/proc/self/cgroup")), "/");
  EXPECT_EQ(ReadOrFail(root, "/sys/fs/cgroup/cpu.max"), "150000 100000\n");
  EXPECT_EQ(ReadOrFail(root, "/sys/fs/cgroup/memory.max"), "536870912\n");
  EXPECT_EQ(ReadOrFail(root, "/sys/fs/cgroup/memory.high"), "max\n");
  auto count =
      CountCpuList(ReadOrFail(root, "/sys/fs/cgroup/cpuset.cpus.effective"));
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 5);
  EXPECT_EQ(ParseOsName(ReadOrFail(root, "/etc/os-release")),
            "Alpine Linux v3.20");
  EXPECT_THAT(ParseMountInfo(ReadOrFail(root, "/proc/self/mountinfo")),
              Contains(AllOf(Field(&Mount::mount_point, "/"),
                             Field(&Mount::type, "overlay"))));
}

TEST(TestdataTest, CgroupV1HasLimitsBelowItsPath) {
  const ProcRoot root(Tree("cgroup-v1"));
  const std::string text = ReadOrFail(root, "/proc/self/cgroup");
  EXPECT_THAT(text, HasSubstr(":memory:/docker/4f0c9d8e7a6b\n"));
  // The agent is in a v2 group as well, which carries no controllers here.
  EXPECT_EQ(ParseProcessCgroup(text), "/system.slice/containerd.service");
  const std::string own = "/docker/4f0c9d8e7a6b";
  EXPECT_EQ(ReadOrFail(root, absl::StrCat("/sys/fs/cgroup/cpu", own,
                                          "/cpu.cfs_quota_us")),
            "50000\n");
  EXPECT_EQ(ReadOrFail(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), "-1\n");
  EXPECT_EQ(ReadOrFail(root, absl::StrCat("/sys/fs/cgroup/memory", own,
                                          "/memory.limit_in_bytes")),
            "268435456\n");
  auto count =
      CountCpuList(ReadOrFail(root, absl::StrCat("/sys/fs/cgroup/cpuset", own,
                                                 "/cpuset.effective_cpus")));
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 2);
}

}  // namespace
}  // namespace specula::agent
