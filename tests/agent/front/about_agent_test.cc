#include "agent/front/about_agent.h"

#include <gtest/gtest.h>

namespace specula::agent {
namespace {

v1::Disk DiskWith(const std::vector<std::string>& mount_points) {
  v1::Disk disk;
  for (const std::string& mount_point : mount_points)
    disk.add_filesystems()->set_mount_point(mount_point);
  return disk;
}

std::string MountOf(const v1::Disk& disk, const std::string& path) {
  const v1::Filesystem* found = FilesystemOf(disk, path);
  return found == nullptr ? "none" : found->mount_point();
}

TEST(AboutAgentTest, APathLiesInTheNearestMountAboveIt) {
  const v1::Disk disk = DiskWith({"/var", "/", "/var/lib/specula", "/va"});
  EXPECT_EQ(MountOf(disk, "/var/lib/specula/jobs"), "/var/lib/specula");
  EXPECT_EQ(MountOf(disk, "/var/lib/specula"), "/var/lib/specula");
  EXPECT_EQ(MountOf(disk, "/var/lib/specula2"), "/var");
  EXPECT_EQ(MountOf(disk, "/varnish"), "/");
  EXPECT_EQ(MountOf(DiskWith({"/var"}), "/home"), "none");
  EXPECT_EQ(MountOf(disk, ""), "none");
}

}  // namespace
}  // namespace specula::agent
