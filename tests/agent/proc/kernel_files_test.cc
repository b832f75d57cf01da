#include "agent/proc/kernel_files.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

std::vector<Mount> Mounts(
    const std::vector<std::pair<std::string, std::string>>& points_and_types) {
  std::vector<Mount> mounts;
  for (const auto& [point, type] : points_and_types) {
    Mount mount;
    mount.mount_point = point;
    mount.type = type;
    mounts.push_back(mount);
  }
  return mounts;
}

TEST(KernelFilesTest, WhatLiesInProcAndSysIsMadeByTheKernel) {
  const auto plain = Mounts({{"/", "ext4"},
                             {"/proc", "proc"},
                             {"/sys", "sysfs"},
                             {"/sys/fs/cgroup", "tmpfs"},
                             {"/sys/fs/cgroup/memory", "cgroup"},
                             {"/proc/sys/fs/binfmt_misc", "autofs"},
                             {"/processes", "nfs4"},
                             {"/host/proc", "proc"}});
  EXPECT_TRUE(IsMadeByKernel("/proc/stat", plain));
  EXPECT_TRUE(IsMadeByKernel("/proc/sys/kernel", plain));
  EXPECT_TRUE(IsMadeByKernel("/sys/fs/cgroup", plain));
  EXPECT_TRUE(IsMadeByKernel("/host/proc/stat", plain));
  EXPECT_FALSE(IsMadeByKernel("/host/process", plain));
  EXPECT_FALSE(IsMadeByKernel("/processes/stat", plain));
  EXPECT_FALSE(IsMadeByKernel("/etc/passwd", plain));
  // Something else lies below.
  EXPECT_FALSE(IsMadeByKernel("/proc/sys", plain));
  EXPECT_FALSE(IsMadeByKernel("/proc", plain));
  EXPECT_FALSE(IsMadeByKernel("/proc/stat", {}));
}

TEST(KernelFilesTest, WhatIsMountedOverThemIsNot) {
  const auto lxcfs = Mounts({{"/", "zfs"},
                             {"/proc", "proc"},
                             {"/proc/stat", "fuse.lxcfs"},
                             {"/proc/meminfo", "fuse.lxcfs"}});
  EXPECT_FALSE(IsMadeByKernel("/proc/stat", lxcfs));
  EXPECT_FALSE(IsMadeByKernel("/proc/meminfo", lxcfs));
  EXPECT_TRUE(IsMadeByKernel("/proc/loadavg", lxcfs));
  // The later one at a place covers the earlier.
  EXPECT_FALSE(IsMadeByKernel("/proc/stat",
                              Mounts({{"/proc", "proc"}, {"/proc", "fuse"}})));
  EXPECT_TRUE(IsMadeByKernel("/proc/stat",
                             Mounts({{"/proc", "fuse"}, {"/proc", "proc"}})));
}

TEST(KernelFilesTest, NothingIsKnownBeforeItWasLearned) {
  KernelFiles files({{"/proc/stat"}, {"/etc/passwd"}, {}});
  EXPECT_EQ(files.Known(), nullptr);
  files.Learn();
  ASSERT_NE(files.Known(), nullptr);
  ASSERT_EQ(files.Known()->size(), 3u);
  EXPECT_FALSE((*files.Known())[1]);
  EXPECT_TRUE((*files.Known())[2]);
}

}  // namespace
}  // namespace specula::agent
