#include "agent/metrics/host.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Tree(absl::string_view name) {
  return absl::StrCat(testing::TestDataDirectory(), "/proc/", name);
}

std::vector<std::pair<std::string, double>> Sensors(const std::string& root) {
  std::vector<std::pair<std::string, double>> sensors;
  for (const v1::Temperature& sensor : ReadTemperatures(ProcRoot(root))) {
    sensors.emplace_back(sensor.sensor(), sensor.celsius());
  }
  return sensors;
}

TEST(HostTest, FactsOfADebianHost) {
  ProcRoot root(Tree("debian12-vm"));
  const v1::Host host = ReadHostFacts(root);
  EXPECT_EQ(host.hostname(), "vm1");
  EXPECT_EQ(host.kernel(), "6.1.0-28-amd64");
  EXPECT_EQ(host.os(), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(host.cpu_model(), "AMD EPYC");
  EXPECT_EQ(host.boot_id().size(), 36u);
  EXPECT_NE(host.architecture(), "");
}

TEST(HostTest, OsReleaseOfEtcWinsAndUsrStandsIn) {
  TempDirectory directory;
  directory.Write("usr/lib/os-release", "PRETTY_NAME=\"usr\"\n");
  ProcRoot root(directory.path());
  EXPECT_EQ(ReadHostFacts(root).os(), "usr");
  directory.Write("etc/os-release", "PRETTY_NAME=\"etc \xff\"\n");
  EXPECT_EQ(ReadHostFacts(root).os(), "etc \ufffd");
}

TEST(HostTest, MissingFactsAreEmpty) {
  TempDirectory directory;
  ProcRoot root(directory.path());
  const v1::Host host = ReadHostFacts(root);
  EXPECT_EQ(host.hostname(), "");
  EXPECT_EQ(host.os(), "");
  EXPECT_EQ(host.cpu_model(), "");
  EXPECT_EQ(host.boot_id(), "");
}

TEST(HostTest, NonsenseReadingsAreLeftOut) {
  EXPECT_THAT(
      Sensors(Tree("hwmon")),
      ElementsAre(Pair("acpitz/temp1", 27.8), Pair("coretemp/Core 0", 45),
                  Pair("coretemp/Core 1", 47),
                  Pair("coretemp/Package id 0", 48),
                  Pair("coretemp/Package id 1", 51), Pair("nct6798/SYSTIN", 34),
                  Pair("nvme/Composite", 38.85)));
}

TEST(HostTest, CriticalIsWhatTheMakerSays) {
  for (const v1::Temperature& sensor :
       ReadTemperatures(ProcRoot(Tree("hwmon")))) {
    if (sensor.sensor() == "coretemp/Package id 0") {
      EXPECT_DOUBLE_EQ(sensor.critical_celsius(), 100);
    } else if (sensor.sensor() == "nvme/Composite") {
      EXPECT_DOUBLE_EQ(sensor.critical_celsius(), 84.85);
    } else if (sensor.sensor() == "acpitz/temp1") {
      EXPECT_FALSE(sensor.has_critical_celsius());
    }
  }
}

TEST(HostTest, ReadingsAreAboveZeroAndBelowTwoHundred) {
  const struct {
    const char* text;
    bool sensible;
  } kCases[] = {
      {"1\n", true},       {"0\n", false},
      {"-1000\n", false},  {"199999\n", true},
      {"200000\n", false}, {"48000", true},
      {"", false},         {"nonsense\n", false},
      {"48.5\n", false},   {"99999999999999999999\n", false},
  };
  for (const auto& test : kCases) {
    TempDirectory directory;
    directory.Write("sys/class/hwmon/hwmon0/name", "x\n");
    directory.Write("sys/class/hwmon/hwmon0/temp1_input", test.text);
    EXPECT_EQ(Sensors(directory.path()).size(), test.sensible ? 1u : 0u)
        << test.text;
  }
}

// A chip under /sys/class/hwmon with a device behind it.
void AddChip(const TempDirectory& directory, const std::string& hwmon,
             const std::string& name, const std::string& device,
             const std::string& millidegrees, const std::string& label = "") {
  const std::string chip = "sys/devices/" + device + "/hwmon/" + hwmon;
  directory.Write(chip + "/name", name + "\n");
  directory.Write(chip + "/temp1_input", millidegrees + "\n");
  if (!label.empty()) directory.Write(chip + "/temp1_label", label + "\n");
  std::filesystem::create_directory_symlink("../../../" + device,
                                            directory.Path(chip + "/device"));
  std::filesystem::create_directories(directory.Path("sys/class/hwmon"));
  std::filesystem::create_directory_symlink(
      "../../devices/" + device + "/hwmon/" + hwmon,
      directory.Path("sys/class/hwmon/" + hwmon));
}

TEST(HostTest, NamesAreUniqueAndTheSameAfterAReboot) {
  TempDirectory first;
  AddChip(first, "hwmon0", "nvme", "nvme0", "40000", "Composite");
  AddChip(first, "hwmon1", "nvme", "nvme1", "50000", "Composite");
  AddChip(first, "hwmon2", "k10temp", "0000:00:18.3", "60000");
  TempDirectory second;
  AddChip(second, "hwmon7", "nvme", "nvme0", "40000", "Composite");
  AddChip(second, "hwmon3", "nvme", "nvme1", "50000", "Composite");
  AddChip(second, "hwmon0", "k10temp", "0000:00:18.3", "60000");
  const auto sensors = Sensors(first.path());
  EXPECT_THAT(sensors, ElementsAre(Pair("k10temp/temp1", 60),
                                   Pair("nvme/Composite (nvme0/temp1)", 40),
                                   Pair("nvme/Composite (nvme1/temp1)", 50)));
  EXPECT_EQ(Sensors(second.path()), sensors);
}

TEST(HostTest, LabelsThatAChipUsesTwiceGetTheNumber) {
  TempDirectory directory;
  for (const char* sensor : {"temp1", "temp2", "temp3"}) {
    const std::string file =
        absl::StrCat("sys/class/hwmon/hwmon0/", sensor, "_");
    directory.Write(file + "input", "30000\n");
    directory.Write(file + "label", "Core\n");
  }
  directory.Write("sys/class/hwmon/hwmon0/name", "chip\n");
  EXPECT_THAT(Sensors(directory.path()),
              ElementsAre(Pair("chip/Core (hwmon0/temp1)", 30),
                          Pair("chip/Core (hwmon0/temp2)", 30),
                          Pair("chip/Core (hwmon0/temp3)", 30)));
}

TEST(HostTest, AHostWithoutSensorsHasNone) {
  EXPECT_THAT(Sensors(Tree("debian12-vm")), IsEmpty());
  TempDirectory directory;
  directory.Write("sys/class/hwmon/hwmon0/name", "fan only\n");
  directory.Write("sys/class/hwmon/hwmon0/fan1_input", "900\n");
  directory.Write("sys/class/hwmon/hwmon0/temp1_max", "80000\n");
  EXPECT_THAT(Sensors(directory.path()), IsEmpty());
}

CgroupFiles Limits(const std::string& path) {
  ProcRoot root(path);
  return OwnCgroup().Read(root);
}

TEST(HostTest, LimitsOfAContainerOfV2) {
  const CgroupFiles limits = Limits(Tree("container"));
  EXPECT_TRUE(HasAny(limits));
  EXPECT_DOUBLE_EQ(limits.cpu_quota.value_or(-1), 1.5);
  EXPECT_EQ(limits.memory_limit, 536'870'912);
  EXPECT_EQ(limits.memory_usage, 201'326'592);
  EXPECT_EQ(limits.inactive_file, 62'914'560);
  EXPECT_EQ(limits.cpuset_count, 5);
}

TEST(HostTest, LimitsOfAContainerOfV1) {
  const CgroupFiles limits = Limits(Tree("cgroup-v1"));
  EXPECT_DOUBLE_EQ(limits.cpu_quota.value_or(-1), 0.5);
  EXPECT_EQ(limits.memory_limit, 268'435'456);
  EXPECT_EQ(limits.memory_usage, 134'217'728);
  EXPECT_EQ(limits.inactive_file, 33'554'432);
  EXPECT_EQ(limits.cpuset_count, 2);
}

TEST(HostTest, InAContainerOfV1TheGroupIsTheRootOfTheHierarchy) {
  TempDirectory directory;
  directory.Write("proc/self/cgroup", "4:memory:/docker/x\n3:cpu:/docker/x\n");
  directory.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
  directory.Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "10\n");
  directory.Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  directory.Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const CgroupFiles limits = Limits(directory.path());
  EXPECT_EQ(limits.memory_limit, 1000);
  EXPECT_EQ(limits.memory_usage, 10);
  EXPECT_DOUBLE_EQ(limits.cpu_quota.value_or(-1), 2);
  EXPECT_FALSE(limits.cpuset_count.has_value());
}

TEST(HostTest, UnlimitedOfV1IsNoLimit) {
  TempDirectory directory;
  directory.Write("proc/self/cgroup", "4:memory:/\n3:cpu,cpuacct:/\n");
  directory.Write("sys/fs/cgroup/memory/memory.limit_in_bytes",
                  "9223372036854771712\n");
  directory.Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "10\n");
  directory.Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  directory.Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const CgroupFiles limits = Limits(directory.path());
  EXPECT_FALSE(HasAny(limits));
  EXPECT_FALSE(limits.memory_usage.has_value()) << "the host's, not a group's";
}

TEST(HostTest, TheTightestLimitOnTheWayUpCounts) {
  TempDirectory directory;
  const std::string base = "sys/fs/cgroup/";
  directory.Write("proc/self/cgroup", "0::/outer.slice/inner.service\n");
  directory.Write(base + "cgroup.controllers", "cpu memory\n");
  directory.Write(base + "cpuset.cpus.effective", "0-7\n");
  directory.Write(base + "outer.slice/cpu.max", "50000 100000\n");
  directory.Write(base + "outer.slice/memory.max", "9000\n");
  directory.Write(base + "outer.slice/memory.current", "8000\n");
  const std::string own = base + "outer.slice/inner.service/";
  directory.Write(own + "cpu.max", "max 100000\n");
  directory.Write(own + "memory.max", "7000\n");
  directory.Write(own + "memory.current", "5\n");
  CgroupFiles limits = Limits(directory.path());
  EXPECT_DOUBLE_EQ(limits.cpu_quota.value_or(-1), 0.5) << "of the outer group";
  EXPECT_EQ(limits.memory_limit, 7000) << "of the inner group";
  EXPECT_EQ(limits.memory_usage, 5) << "of the own group";
  EXPECT_EQ(limits.cpuset_count, 8) << "the nearest that is known";
  directory.Write(own + "memory.max", "max\n");
  limits = Limits(directory.path());
  EXPECT_EQ(limits.memory_limit, 9000);
  directory.Write(own + "cpuset.cpus.effective", "0,2\n");
  EXPECT_EQ(Limits(directory.path()).cpuset_count, 2);
}

TEST(HostTest, APlainHostHasNoLimits) {
  EXPECT_FALSE(HasAny(Limits(Tree("debian12-vm"))));
  TempDirectory directory;
  EXPECT_FALSE(HasAny(Limits(directory.path())));
}

TEST(HostTest, OddGroupsAreNoLimits) {
  const char* const kCases[] = {
      "0::/../outside\n",
      "0::relative\n",
      "0::\n",
      "0:\n",
      "nonsense\n",
      "",
      "0::/gone (deleted)\n",
  };
  for (const char* text : kCases) {
    TempDirectory directory;
    directory.Write("proc/self/cgroup", text);
    directory.Write("sys/fs/cgroup/cgroup.controllers", "");
    for (const char* quota : {"", "max", "1", "x 100000", "1 0", "1 -5"}) {
      directory.Write("sys/fs/cgroup/cpu.max", quota);
      directory.Write("sys/fs/cgroup/memory.max", "odd");
      directory.Write("sys/fs/cgroup/cpuset.cpus.effective", "3-1");
      EXPECT_FALSE(HasAny(Limits(directory.path()))) << text << quota;
    }
  }
}

TEST(HostTest, FileCacheThatTheKernelDropsIsNotUsed) {
  const struct {
    std::optional<int64_t> usage, inactive, used, cache;
  } kCases[] = {
      {603, 601, 2, 601},
      {603, 0, 603, 0},
      // Read at two moments.
      {603, 700, 0, 603},
      // Of a kernel that does not say it: what is used holds it, and no cache
      // says so.
      {603, {}, 603, {}},
      {{}, 5, {}, {}},
  };
  for (const auto& test : kCases) {
    CgroupFiles files;
    files.memory_usage = test.usage;
    files.inactive_file = test.inactive;
    v1::CgroupLimits group;
    FillCgroup(files, &group);
    EXPECT_EQ(group.has_memory_used_bytes(), test.used.has_value());
    EXPECT_EQ(group.memory_used_bytes(), test.used.value_or(0));
    EXPECT_EQ(group.has_memory_cache_bytes(), test.cache.has_value());
    EXPECT_EQ(group.memory_cache_bytes(), test.cache.value_or(0));
  }
}

TEST(HostTest, AnAgentThatIsMovedHasItsNewGroup) {
  TempDirectory directory;
  const std::string base = "sys/fs/cgroup/";
  directory.Write("proc/self/cgroup", "0::/first\n");
  directory.Write(base + "cgroup.controllers", "cpu memory\n");
  directory.Write(base + "first/memory.max", "1000\n");
  directory.Write(base + "second/memory.max", "2000\n");
  ProcRoot root(directory.path());
  OwnCgroup group;
  EXPECT_EQ(group.Read(root).memory_limit, 1000);
  directory.Write("proc/self/cgroup", "0::/second\n");
  EXPECT_EQ(group.Read(root).memory_limit, 2000);
}

TEST(HostTest, AGroupThatIsMadeAgainIsReadAgain) {
  TempDirectory directory;
  const std::string base = "sys/fs/cgroup/";
  directory.Write("proc/self/cgroup", "0::/own\n");
  directory.Write(base + "cgroup.controllers", "cpu memory\n");
  directory.Write(base + "own/memory.max", "1000\n");
  ProcRoot root(directory.path(), absl::ZeroDuration());
  OwnCgroup group;
  EXPECT_EQ(group.Read(root).memory_limit, 1000);
  std::filesystem::remove_all(directory.Path(base + "own"));
  EXPECT_FALSE(group.Read(root).memory_limit.has_value());
  directory.Write(base + "own/memory.max", "2000\n");
  EXPECT_EQ(group.Read(root).memory_limit, 2000);
}

TEST(HostTest, OnlyWhatIsKnownIsFilled) {
  v1::CgroupLimits none;
  FillCgroup(CgroupFiles(), &none);
  EXPECT_FALSE(none.has_cpu_count());
  EXPECT_FALSE(none.has_cpuset_count());
  EXPECT_FALSE(none.has_memory_limit_bytes());
  EXPECT_FALSE(none.has_memory_used_bytes());
  v1::CgroupLimits all;
  FillCgroup({1.5, 2, 3, 4, 1}, &all);
  EXPECT_DOUBLE_EQ(all.cpu_count(), 1.5);
  EXPECT_EQ(all.cpuset_count(), 2);
  EXPECT_EQ(all.memory_limit_bytes(), 3);
  EXPECT_EQ(all.memory_used_bytes(), 3);
  EXPECT_EQ(all.memory_cache_bytes(), 1);
  EXPECT_TRUE(HasAny({1.5, {}, {}, {}, {}}));
  EXPECT_TRUE(HasAny({{}, 1, {}, {}, {}}));
  EXPECT_TRUE(HasAny({{}, {}, 1, {}, {}}));
  EXPECT_FALSE(HasAny({{}, {}, {}, 1, {}})) << "use is no limit";
}

}  // namespace
}  // namespace specula::agent
