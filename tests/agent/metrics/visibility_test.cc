#include "agent/metrics/visibility.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(VisibilityTest, ARecordedTreeHidesNothing) {
  TempDirectory tree;
  const Visibility visibility =
      FindVisibility(ProcRoot(tree.path()), ProcRoot(""));
  EXPECT_TRUE(visibility.processes.ok());
  EXPECT_TRUE(visibility.files.ok());
}

// What a process without rights, of the group `group`, sees of a /proc that is
// mounted with `options`: the two sentences, or "cannot" where this machine
// does not allow to try.
std::string SeenWith(const std::string& options, gid_t group) {
  TempDirectory place;
  const std::string root = place.path();
  mkdir((root + "/proc").c_str(), 0755);
  chmod(root.c_str(), 0755);
  int ends[2];
  if (pipe(ends) != 0) return "cannot";
  const pid_t child = fork();
  if (child == 0) {
    std::string seen = "cannot";
    if (unshare(CLONE_NEWNS) == 0 &&
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        mount("proc", (root + "/proc").c_str(), "proc", 0, options.c_str()) ==
            0 &&
        setgid(group) == 0 && setuid(65534) == 0) {
      const Visibility visibility =
          FindVisibility(ProcRoot(root), ProcRoot(""));
      seen = std::string(visibility.processes.message()) + "|" +
             std::string(visibility.files.message());
    }
    _exit(write(ends[1], seen.data(), seen.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string seen(4096, '\0');
  const ssize_t length = read(ends[0], seen.data(), seen.size());
  seen.resize(static_cast<size_t>(length < 0 ? 0 : length));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return seen;
}

TEST(VisibilityTest, WhatIsHiddenFromAProcessWithoutRightsIsSaid) {
  if (geteuid() != 0 || SeenWith("hidepid=2", 65534) == "cannot")
    GTEST_SKIP() << "needs root and a kernel that mounts /proc with hidepid";
  EXPECT_THAT(SeenWith("hidepid=2", 65534),
              HasSubstr("processes of other users are hidden"));
  EXPECT_THAT(SeenWith("hidepid=1", 65534), HasSubstr("without hidepid="));
  EXPECT_THAT(SeenWith("hidepid=2,gid=7", 65534), HasSubstr("to group 7"));
  EXPECT_EQ(SeenWith("hidepid=2,gid=7", 7), "|");
  EXPECT_EQ(SeenWith("hidepid=0", 65534), "|");
  const std::string only_processes = SeenWith("subset=pid", 65534);
  if (only_processes != "cannot") {
    EXPECT_THAT(only_processes, HasSubstr("subset=pid"));
  }
}

}  // namespace
}  // namespace specula::agent
