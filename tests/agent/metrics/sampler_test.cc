#include "agent/metrics/sampler.h"

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/slow_kinds.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/base/slow_calls.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::string Tree(absl::string_view name) {
  return absl::StrCat(testing::TestDataDirectory(), "/proc/", name);
}

// Every file system has 1000 blocks of 1 KiB, half of them in use.
absl::StatusOr<struct statvfs> HalfFull(const std::string&) {
  struct statvfs space = {};
  space.f_frsize = 1024;
  space.f_blocks = 1000;
  space.f_bfree = space.f_bavail = 500;
  return space;
}

// A window that a slow machine cannot miss.
constexpr BaselinePolicy kPatient{absl::Milliseconds(200),
                                  absl::InfiniteDuration()};

v1::Disk Disk(Sampler& sampler) {
  BaselineSet baselines(kOwnPolicy);
  v1::Disk disk;
  absl::Notification done;
  sampler.FillDisk(baselines, &disk, [&] { done.Notify(); });
  done.WaitForNotification();
  return disk;
}

absl::Duration Prime(Sampler& sampler, unsigned kinds, BaselineSet& baselines) {
  absl::Duration wait;
  absl::Notification done;
  sampler.Prime(kinds, baselines, [&](absl::Duration told) {
    wait = told;
    done.Notify();
  });
  done.WaitForNotification();
  return wait;
}

v1::Cpu Cpu(Sampler& sampler, BaselineSet& baselines) {
  v1::Cpu cpu;
  absl::Notification done;
  sampler.FillCpu(baselines, &cpu, [&] { done.Notify(); });
  done.WaitForNotification();
  return cpu;
}

v1::ProcessesResponse Processes(Sampler& sampler, BaselineSet& baselines,
                                v1::ProcessOrder order, size_t limit) {
  v1::ProcessesResponse response;
  absl::Notification done;
  sampler.FillProcesses(baselines, order, limit, &response,
                        [&](const absl::Status& status) {
                          EXPECT_TRUE(status.ok()) << status;
                          done.Notify();
                        });
  done.WaitForNotification();
  return response;
}

v1::StatusResponse Status(Sampler& sampler, BaselineSet& baselines) {
  v1::StatusResponse status;
  absl::Notification done;
  sampler.FillStatus(baselines, &status, [&] { done.Notify(); });
  done.WaitForNotification();
  return status;
}

v1::StatusResponse Status(Sampler& sampler) {
  BaselineSet baselines(kOwnPolicy);
  return Status(sampler, baselines);
}

const v1::Filesystem& Row(const v1::Disk& disk, absl::string_view point) {
  for (const v1::Filesystem& row : disk.filesystems()) {
    if (row.mount_point() == point) return row;
  }
  ADD_FAILURE() << "no row for " << point;
  static const v1::Filesystem kNone;
  return kNone;
}

// The disk once only `stalled` stall: a machine under load may be late with
// others now and then. Hangs if it always is.
v1::Disk DiskWhere(Sampler& sampler, const std::vector<std::string>& stalled) {
  while (true) {
    v1::Disk disk = Disk(sampler);
    std::vector<std::string> seen;
    for (const v1::Filesystem& row : disk.filesystems()) {
      if (row.quality() == v1::QUALITY_STALLED) {
        seen.push_back(row.mount_point());
      }
    }
    if (seen == stalled) return disk;
  }
}

constexpr char kMounts[] =
    "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "21 20 8:2 / /srv rw - xfs /dev/sda2 rw\n"
    "22 20 0:60 / /net/nas rw - nfs4 nas:/export rw\n"
    "23 20 0:61 / /net/other rw - nfs4 nas:/other rw\n"
    "24 20 0:5 / /dev rw - devtmpfs udev rw\n";

// A statvfs whose calls for some paths do not return until Release.
class Hanging {
 public:
  explicit Hanging(std::vector<std::string> points)
      : points_(std::move(points)) {}

  specula::agent::Statvfs Statvfs() {
    return [state = state_, points = points_](const std::string& path) {
      for (const std::string& point : points) {
        if (absl::EndsWith(path, point)) state->released.WaitForNotification();
      }
      absl::MutexLock lock(&state->mutex);
      state->paths.push_back(path);
      return HalfFull(path);
    };
  }
  void Release() {
    if (!state_->released.HasBeenNotified()) state_->released.Notify();
  }
  ~Hanging() { Release(); }

  // What has returned.
  std::vector<std::string> paths() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->paths;
  }

 private:
  struct State {
    absl::Notification released;
    absl::Mutex mutex;
    std::vector<std::string> paths ABSL_GUARDED_BY(mutex);
  };
  const std::vector<std::string> points_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

TEST(SamplerTest, RowsAreOfAllRealFileSystems) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Hanging statvfs({});
  Sampler sampler(slow, root.Path(""), statvfs.Statvfs());
  const v1::Disk disk = DiskWhere(sampler, {});
  EXPECT_EQ(disk.quality(), v1::QUALITY_OK);
  ASSERT_EQ(disk.filesystems_size(), 4);
  EXPECT_EQ(disk.filesystems(0).mount_point(), "/");
  EXPECT_EQ(disk.filesystems(1).mount_point(), "/net/nas");
  EXPECT_EQ(disk.filesystems(2).mount_point(), "/net/other");
  EXPECT_EQ(disk.filesystems(3).mount_point(), "/srv");
  for (const v1::Filesystem& row : disk.filesystems()) {
    EXPECT_EQ(row.quality(), v1::QUALITY_OK) << row.mount_point();
    EXPECT_EQ(row.used_bytes(), 500 * 1024) << row.mount_point();
  }
  EXPECT_EQ(disk.total_bytes(), 2 * 1000 * 1024) << "of the local ones";
  EXPECT_EQ(disk.excluded_mount_count(), 1);
  // The root stands before what is asked for.
  const std::vector<std::string> paths = statvfs.paths();
  EXPECT_THAT(
      std::set<std::string>(paths.begin(), paths.end()),
      UnorderedElementsAre(root.Path("/"), root.Path("/srv"),
                           root.Path("/net/nas"), root.Path("/net/other")));
}

TEST(SamplerTest, AFileSystemThatHangsCostsItsRowOnly) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Hanging statvfs({"/net/nas"});
  Sampler sampler(slow, root.Path(""), statvfs.Statvfs());
  // Done comes although the call does not return.
  v1::Disk disk = DiskWhere(sampler, {"/net/nas"});
  EXPECT_EQ(disk.quality(), v1::QUALITY_STALLED);
  const v1::Filesystem& stalled = Row(disk, "/net/nas");
  EXPECT_EQ(stalled.quality(), v1::QUALITY_STALLED);
  EXPECT_EQ(stalled.type(), "nfs4");
  EXPECT_EQ(stalled.source(), "nas:/export");
  EXPECT_FALSE(stalled.has_utilization());
  for (const char* point : {"/", "/srv", "/net/other"}) {
    EXPECT_EQ(Row(disk, point).quality(), v1::QUALITY_OK) << point;
    EXPECT_EQ(Row(disk, point).used_bytes(), 500 * 1024) << point;
  }
  EXPECT_EQ(disk.total_bytes(), 2 * 1000 * 1024);
  // It is back as soon as it answers.
  statvfs.Release();
  disk = DiskWhere(sampler, {});
  EXPECT_EQ(Row(disk, "/net/nas").quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.quality(), v1::QUALITY_OK);
}

TEST(SamplerTest, ALocalDiskThatHangsDoesNotCostTheRootOrTheNetwork) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Hanging statvfs({"/srv"});
  Sampler sampler(slow, root.Path(""), statvfs.Statvfs());
  const v1::Disk disk = DiskWhere(sampler, {"/srv"});
  EXPECT_EQ(Row(disk, "/srv").quality(), v1::QUALITY_STALLED);
  EXPECT_EQ(Row(disk, "/").quality(), v1::QUALITY_OK);
  EXPECT_EQ(Row(disk, "/net/nas").quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.total_bytes(), 1000 * 1024);
}

TEST(SamplerTest, TheAnswerIsNotTouchedByWhatComesLate) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Hanging statvfs({"/net/nas"});
  Sampler sampler(slow, root.Path(""), statvfs.Statvfs());
  auto disk = std::make_unique<v1::Disk>(Disk(sampler));
  disk.reset();
  statvfs.Release();
  // Once it is back it may run again; a sanitizer tells of a touch.
  DiskWhere(sampler, {});
}

TEST(SamplerTest, TwoWhoAskAtOnceBothGetAnAnswer) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const v1::Disk disk = Disk(sampler);
        EXPECT_EQ(disk.filesystems_size(), 4);
        EXPECT_EQ(disk.total_bytes() % (1000 * 1024), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(SamplerTest, AnErrorOfStatvfsIsItsRowsOnly) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), [](const std::string& path) {
    if (absl::EndsWith(path, "/srv") || absl::EndsWith(path, "/net/nas")) {
      return absl::StatusOr<struct statvfs>(absl::PermissionDeniedError(path));
    }
    return HalfFull(path);
  });
  const v1::Disk disk = DiskWhere(sampler, {});
  EXPECT_EQ(Row(disk, "/srv").quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(Row(disk, "/net/nas").quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(Row(disk, "/").quality(), v1::QUALITY_OK);
  EXPECT_EQ(disk.total_bytes(), 1000 * 1024);
}

TEST(SamplerTest, ItsOwnMountsStandInForThoseOfInit) {
  TempDirectory directory;
  directory.Write("proc/self/mountinfo", kMounts);
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  EXPECT_EQ(Disk(sampler).filesystems_size(), 4);
  // And again, from what is known.
  EXPECT_EQ(Disk(sampler).filesystems_size(), 4);
}

TEST(SamplerTest, TheRealSystemCallIsTheDefault) {
  TempDirectory directory;
  directory.Write("proc/1/mountinfo",
                  "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                  "21 20 8:2 / /missing rw - xfs /dev/sda2 rw\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""));
  const v1::Disk disk = DiskWhere(sampler, {});
  EXPECT_EQ(Row(disk, "/").quality(), v1::QUALITY_OK);
  EXPECT_GT(Row(disk, "/").total_bytes(), 0);
  EXPECT_EQ(Row(disk, "/missing").quality(), v1::QUALITY_UNAVAILABLE);
}

TEST(SamplerTest, TheDiskOfAHostIsCountedHoweverItIsMounted) {
  const struct {
    const char* what;
    const char* mountinfo;
    bool turned;
  } kCases[] = {
      {"of a system that is an image",
       "40 1 253:4 /ostree/deploy/os/deploy/abc.0 / rw - xfs /dev/vda4 rw\n"
       "41 40 253:4 / /sysroot ro,relatime - xfs /dev/vda4 rw\n"
       "42 40 253:4 /ostree/deploy/os/var /var rw - xfs /dev/vda4 rw\n",
       false},
      {"that an error made read-only",
       "27 1 8:1 / / ro,relatime - ext4 /dev/sda1 ro,errors=remount-ro\n",
       true},
      {"in memory",
       "27 1 0:2 / / rw - rootfs rootfs rw\n"
       "28 27 0:30 / / rw,relatime - tmpfs tmpfs rw,size=8G\n"
       "29 28 0:31 / /tmp rw - tmpfs tmpfs rw,size=1G\n",
       false},
  };
  for (const auto& test : kCases) {
    TempDirectory directory;
    directory.Write("proc/1/mountinfo", test.mountinfo);
    SlowCalls slow(FrontSlowCalls());
    ProcRoot root(directory.path());
    Sampler sampler(slow, root.Path(""), HalfFull);
    const v1::Disk disk = DiskWhere(sampler, {});
    EXPECT_EQ(disk.total_bytes(), 1000 * 1024) << test.what;
    EXPECT_EQ(Row(disk, "/").read_only(), test.turned) << test.what;
    EXPECT_EQ(Row(disk, "/").turned_read_only(), test.turned) << test.what;
    EXPECT_DOUBLE_EQ(Row(disk, "/").utilization(), 0.5) << test.what;
  }
  // What is written down decides what is meant.
  TempDirectory directory;
  directory.Write("proc/1/mountinfo", kCases[1].mountinfo);
  directory.Write("etc/fstab", "/dev/sda1 / ext4 ro,errors=remount-ro 0 1\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  const v1::Disk disk = Disk(sampler);
  EXPECT_TRUE(Row(disk, "/").read_only());
  EXPECT_FALSE(Row(disk, "/").turned_read_only());
  EXPECT_EQ(disk.total_bytes(), 0);
}

TEST(SamplerTest, AfterPrimeAndItsWaitThereIsARate) {
  TempDirectory directory;
  directory.Write("proc/stat", "cpu  100 0 0 100\ncpu0 100 0 0 100\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kPatient);
  const absl::Duration wait = Prime(sampler, kCpuCounters, baselines);
  EXPECT_GT(wait, absl::ZeroDuration());
  EXPECT_LE(wait, absl::Milliseconds(200));
  // Who comes meanwhile waits for the same sample and takes no other.
  directory.Write("proc/stat", "cpu  999 0 0 999\ncpu0 999 0 0 999\n");
  EXPECT_LE(Prime(sampler, kCpuCounters, baselines), wait);
  absl::SleepFor(wait);
  directory.Write("proc/stat", "cpu  130 0 0 110\ncpu0 130 0 0 110\n");
  EXPECT_EQ(Prime(sampler, kCpuCounters, baselines), absl::ZeroDuration());
  const v1::Cpu cpu = Cpu(sampler, baselines);
  EXPECT_EQ(cpu.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(cpu.utilization(), 0.75);
  ASSERT_EQ(cpu.cores_size(), 1);
  EXPECT_EQ(cpu.cores(0).quality(), v1::QUALITY_OK);
  EXPECT_GE(cpu.window().seconds() * 1'000'000'000 + cpu.window().nanos(),
            200'000'000);
}

TEST(SamplerTest, WithoutPrimeTheFirstIsFirst) {
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(Tree("debian12-vm"));
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kSharedPolicy);
  const v1::Cpu cpu = Cpu(sampler, baselines);
  EXPECT_EQ(cpu.quality(), v1::QUALITY_FIRST);
  EXPECT_FALSE(cpu.has_utilization());
}

TEST(SamplerTest, PrimeReadsWhatIsAskedForOnly) {
  const struct {
    unsigned kinds;
    bool cpu, disks, network, self, processes;
  } kCases[] = {
      {kCpuCounters, true, false, false, false, false},
      {kDiskCounters, false, true, false, false, false},
      {kProcessCounters, false, false, false, false, true},
      {kStatusCounters, true, true, true, true, false},
      {kStatusCounters | kProcessCounters, true, true, true, true, true},
      {0, false, false, false, false, false},
  };
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(Tree("debian12-vm"));
  Sampler sampler(slow, root.Path(""), HalfFull);
  for (const auto& test : kCases) {
    BaselineSet baselines(kPatient);
    const absl::Duration wait = Prime(sampler, test.kinds, baselines);
    EXPECT_EQ(wait > absl::ZeroDuration(), test.kinds != 0);
    auto primed = [](const auto& kind) {
      return kind.TimeUntilUsable(MonotonicNow()) != absl::InfiniteDuration();
    };
    EXPECT_EQ(primed(baselines.cpu), test.cpu) << test.kinds;
    EXPECT_EQ(primed(baselines.disks), test.disks) << test.kinds;
    EXPECT_EQ(primed(baselines.network), test.network) << test.kinds;
    EXPECT_EQ(primed(baselines.self), test.self) << test.kinds;
    EXPECT_EQ(primed(baselines.processes), test.processes) << test.kinds;
  }
}

TEST(SamplerTest, NobodyWaitsForAFileThatIsMissing) {
  TempDirectory directory;
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kSharedPolicy);
  EXPECT_EQ(Prime(sampler, kCpuCounters | kDiskCounters, baselines),
            absl::ZeroDuration());
}

TEST(SamplerTest, MissingFilesCostOnlyTheirMetric) {
  TempDirectory directory;
  directory.Write("proc/loadavg", "0.50 0.25 0.10 2/300 4000\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  const v1::StatusResponse status = Status(sampler);
  EXPECT_TRUE(status.has_load());
  EXPECT_DOUBLE_EQ(status.load().one_minute(), 0.5);
  EXPECT_EQ(status.load().task_count(), 300);
  EXPECT_EQ(status.cpu().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_FALSE(status.cpu().has_utilization());
  EXPECT_EQ(status.memory().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(status.disk().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(status.network().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_FALSE(status.network().has_received_bytes_per_second());
  EXPECT_FALSE(status.has_cpu_pressure());
  EXPECT_FALSE(status.has_memory_pressure());
  EXPECT_FALSE(status.has_io_pressure());
  EXPECT_FALSE(status.has_cgroup());
  EXPECT_FALSE(status.host().has_uptime());
  EXPECT_FALSE(status.host().has_boot_time());
  EXPECT_THAT(status.temperatures(), IsEmpty());
  EXPECT_GT(status.agent().memory_bytes(), 0);
  EXPECT_GT(status.time().seconds(), 0);
  const std::string problems = absl::StrJoin(status.agent().problems(), "\n");
  for (const char* file :
       {"/proc/stat", "/proc/meminfo", "/proc/uptime", "/proc/net/dev",
        "mountinfo", "/proc/sys/kernel/hostname"}) {
    EXPECT_THAT(problems, HasSubstr(file));
  }
  EXPECT_THAT(problems, Not(HasSubstr("loadavg")));
  EXPECT_THAT(problems, Not(HasSubstr("pressure")));
}

TEST(SamplerTest, AFileThatIsReplacedIsReadAgainAndThatItWasBadIsSaid) {
  TempDirectory directory;
  directory.Write("proc/meminfo", "MemTotal: 8 kB\nMemAvailable: 2 kB\n");
  SlowCalls slow(FrontSlowCalls());
  Sampler sampler(slow, directory.path(), HalfFull, absl::ZeroDuration());
  auto problems = [&] {
    return absl::StrJoin(Status(sampler).agent().problems(), "\n");
  };
  EXPECT_DOUBLE_EQ(Status(sampler).memory().utilization(), 0.75);
  std::filesystem::remove(directory.Path("proc/meminfo"));
  EXPECT_EQ(Status(sampler).memory().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_THAT(problems(), HasSubstr("/proc/meminfo: No such file"));
  directory.Write("proc/meminfo", "MemTotal: 8 kB\nMemAvailable: 4 kB\n");
  EXPECT_DOUBLE_EQ(Status(sampler).memory().utilization(), 0.5);
  EXPECT_THAT(problems(), Not(HasSubstr("meminfo")));
}

TEST(SamplerTest, TheCacheOfZfsIsAvailable) {
  TempDirectory directory;
  directory.Write("proc/meminfo", "MemTotal: 8 kB\nMemAvailable: 2 kB\n");
  directory.Write("proc/spl/kstat/zfs/arcstats", "size 4 3072\nc_min 4 1024\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  EXPECT_DOUBLE_EQ(Status(sampler).memory().utilization(), 0.5);
  EXPECT_EQ(Status(sampler).memory().zfs_reclaimable_bytes(), 2048);
}

TEST(SamplerTest, OddFilesCostOnlyTheirMetric) {
  TempDirectory directory;
  for (const char* file :
       {"proc/stat", "proc/meminfo", "proc/loadavg", "proc/uptime",
        "proc/diskstats", "proc/net/dev", "proc/1/mountinfo",
        "proc/pressure/cpu", "proc/self/cgroup"}) {
    directory.Write(file, "nonsense \xff\n");
  }
  directory.Write("proc/sys/kernel/hostname", "vm\xff\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  const v1::StatusResponse status = Status(sampler);
  EXPECT_EQ(status.cpu().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(status.memory().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(status.disk().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_FALSE(status.has_load());
  EXPECT_FALSE(status.host().has_uptime());
  EXPECT_FALSE(status.has_cpu_pressure());
  EXPECT_EQ(status.host().hostname(), "vm\ufffd");
  EXPECT_THAT(absl::StrJoin(status.agent().problems(), "\n"),
              AllOf(HasSubstr("/proc/stat"), HasSubstr("/proc/meminfo"),
                    HasSubstr("/proc/loadavg"), HasSubstr("/proc/uptime"),
                    HasSubstr("/proc/pressure")));
}

TEST(SamplerTest, StatusOfADebianHost) {
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(Tree("debian12-vm"));
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kOwnPolicy);
  Status(sampler, baselines);
  const v1::StatusResponse status = Status(sampler, baselines);
  EXPECT_EQ(status.host().hostname(), "vm1");
  EXPECT_EQ(status.host().os(), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_GT(status.host().uptime().seconds(), 0);
  EXPECT_GT(status.host().boot_time().seconds(), 0);
  EXPECT_EQ(status.cpu().logical_count(), 2);
  // A recorded tree stands still, and so says nothing of its shares.
  EXPECT_EQ(status.cpu().quality(), v1::QUALITY_RESET);
  EXPECT_EQ(status.memory().quality(), v1::QUALITY_OK);
  EXPECT_EQ(Row(status.disk(), "/").quality(), v1::QUALITY_OK);
  EXPECT_EQ(status.network().quality(), v1::QUALITY_OK);
  EXPECT_TRUE(status.has_cpu_pressure());
  EXPECT_TRUE(status.memory_pressure().has_full());
  EXPECT_TRUE(status.has_io_pressure());
  EXPECT_TRUE(status.agent().has_cpu_utilization());
  EXPECT_GE(status.agent().cpu_utilization(), 0);
}

TEST(SamplerTest, PressureHasItsShares) {
  TempDirectory directory;
  directory.Write("proc/pressure/memory",
                  "some avg10=1.50 avg60=2.50 avg300=3.50 total=1\n"
                  "full avg10=0.50 avg60=0.25 avg300=0.10 total=1\n");
  directory.Write("proc/pressure/cpu",
                  "some avg10=10.00 avg60=20.00 avg300=30.00 total=1\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  const v1::StatusResponse status = Status(sampler);
  EXPECT_DOUBLE_EQ(status.memory_pressure().some().ten_seconds(), 0.015);
  EXPECT_DOUBLE_EQ(status.memory_pressure().some().one_minute(), 0.025);
  EXPECT_DOUBLE_EQ(status.memory_pressure().some().five_minutes(), 0.035);
  EXPECT_DOUBLE_EQ(status.memory_pressure().full().ten_seconds(), 0.005);
  EXPECT_DOUBLE_EQ(status.cpu_pressure().some().ten_seconds(), 0.1);
  EXPECT_FALSE(status.cpu_pressure().has_full());
  EXPECT_FALSE(status.has_io_pressure());
}

TEST(SamplerTest, StatusHasSensorsAndLimits) {
  SlowCalls slow(FrontSlowCalls());
  ProcRoot sensors(Tree("hwmon"));
  Sampler hot(slow, sensors.Path(""), HalfFull);
  EXPECT_EQ(Status(hot).temperatures_size(), 7);
  ProcRoot container(Tree("container"));
  Sampler limited(slow, container.Path(""), HalfFull);
  const v1::StatusResponse status = Status(limited);
  EXPECT_DOUBLE_EQ(status.cgroup().cpu_count(), 1.5);
  EXPECT_EQ(status.cgroup().memory_limit_bytes(), 536'870'912);
  EXPECT_EQ(status.memory().quality(), v1::QUALITY_OK)
      << "the host's values stand beside the limits";
}

TEST(SamplerTest, DevicesAreWholeDisksAndInterfacesAreHardware) {
  TempDirectory directory;
  std::string diskstats;
  for (const char* name :
       {"sda", "sda1", "nvme0n1", "nvme0n1p1", "dm-0", "md127", "loop0", "ram0",
        "zram0", "sr0", "nbd0", "cciss/c0d0", "cciss/c0d0p1"}) {
    absl::StrAppend(&diskstats, "8 0 ", name, " 1 0 1 1 1 0 1 1 0 1 1\n");
  }
  directory.Write("proc/diskstats", diskstats);
  for (const char* disk : {"sda", "nvme0n1", "dm-0", "md127", "loop0", "ram0",
                           "zram0", "sr0", "nbd0", "cciss!c0d0"}) {
    directory.Write(absl::StrCat("sys/block/", disk, "/size"), "1\n");
  }
  directory.Write("proc/net/dev",
                  "Inter-|   Receive                 |  Transmit\n"
                  " face |bytes packets|bytes packets\n"
                  "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
                  "enp1s0: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
                  "docker0: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n");
  directory.Write("sys/devices/virtual/net/lo/type", "772\n");
  directory.Write("sys/devices/virtual/net/docker0/type", "1\n");
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  for (int i = 0; i < 2; ++i) {  // the second time from memory
    const v1::StatusResponse status = Status(sampler);
    std::vector<std::string> devices;
    for (const v1::BlockDevice& device : status.disk().devices()) {
      devices.push_back(device.name());
    }
    EXPECT_THAT(devices, ElementsAre("sda", "nvme0n1", "cciss/c0d0"));
    ASSERT_EQ(status.network().interfaces_size(), 1);
    EXPECT_EQ(status.network().interfaces(0).name(), "enp1s0");
    EXPECT_EQ(status.network().virtual_excluded_count(), 2);
  }
}

TEST(SamplerTest, InAContainerTheNetworkIsThatOfTheHostsFirstProcess) {
  constexpr char kRest[] = ": 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";
  TempDirectory directory;
  // /proc/net is that of the reader.
  directory.Write("proc/net/dev", absl::StrCat("\n\neth0", kRest));
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(directory.path());
  Sampler sampler(slow, root.Path(""), HalfFull);
  ASSERT_EQ(Status(sampler).network().interfaces_size(), 1);
  EXPECT_EQ(Status(sampler).network().interfaces(0).name(), "eth0");
  directory.Write("proc/1/net/dev", absl::StrCat("\n\nenp1s0", kRest));
  ASSERT_EQ(Status(sampler).network().interfaces_size(), 1);
  EXPECT_EQ(Status(sampler).network().interfaces(0).name(), "enp1s0");
}

TEST(SamplerTest, TheOwnGroupIsReadWhereTheAgentIs) {
  // The host's files, with limits of a group that is not the agent's.
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(Tree("container"));
  Sampler sampler(slow, root.Path(""));
  const v1::StatusResponse status = Status(sampler);
  ProcRoot here("");
  const CgroupFiles own = OwnCgroup().Read(here);
  EXPECT_EQ(status.cgroup().has_cpu_count(), own.cpu_quota.has_value());
  EXPECT_EQ(status.cgroup().has_memory_limit_bytes(),
            own.memory_limit.has_value());
  EXPECT_NE(status.cgroup().memory_limit_bytes(), 536'870'912);
}

TEST(SamplerTest, ProcessesAreCountedAndTheFirstAreShown) {
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root(Tree("processes"));
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kOwnPolicy);
  v1::ProcessesResponse response =
      Processes(sampler, baselines, v1::PROCESS_ORDER_MEMORY, 3);
  EXPECT_EQ(response.total_count(), 8);
  EXPECT_FALSE(response.has_window());
  ASSERT_EQ(response.processes_size(), 3);
  EXPECT_EQ(response.processes(0).pid(), 1100);
  EXPECT_EQ(response.processes(1).pid(), 1);
  EXPECT_EQ(response.processes(2).pid(), 811);
  EXPECT_FALSE(response.processes(0).has_cpu_utilization());
  // Its ticks are behind the recorded uptime, whose end is now.
  const absl::Time start =
      absl::FromUnixSeconds(response.processes(0).start_time().seconds());
  EXPECT_LT(start, absl::Now());
  EXPECT_GT(start, absl::Now() - absl::Hours(24));
  response = Processes(sampler, baselines, v1::PROCESS_ORDER_CPU, 1);
  EXPECT_TRUE(response.has_window());
  ASSERT_EQ(response.processes_size(), 1);
  EXPECT_TRUE(response.processes(0).has_cpu_utilization());
}

TEST(SamplerTest, ThisMachineIsUnderstood) {
  SlowCalls slow(FrontSlowCalls());
  ProcRoot root("");
  Sampler sampler(slow, root.Path(""), HalfFull);
  BaselineSet baselines(kPatient);
  const absl::Duration wait =
      Prime(sampler, kStatusCounters | kProcessCounters, baselines);
  EXPECT_LE(wait, absl::Milliseconds(200));
  absl::SleepFor(wait);
  const v1::StatusResponse status = Status(sampler, baselines);
  EXPECT_EQ(status.cpu().quality(), v1::QUALITY_OK);
  EXPECT_TRUE(status.cpu().has_utilization());
  EXPECT_NE(status.memory().quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_GT(status.disk().filesystems_size(), 0);
  const v1::ProcessesResponse processes =
      Processes(sampler, baselines, v1::PROCESS_ORDER_CPU, 5);
  EXPECT_GT(processes.total_count(), 0);
  std::string bytes;
  EXPECT_TRUE(status.SerializeToString(&bytes));
  EXPECT_TRUE(v1::StatusResponse().ParseFromString(bytes));
}

}  // namespace
}  // namespace specula::agent
