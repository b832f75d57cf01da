#include "lib/base/directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;

class DirectoryTest : public ::testing::Test {
 protected:
  // A umask that takes bits which are asked for.
  DirectoryTest() : umask_(umask(077)) {}
  ~DirectoryTest() override { umask(umask_); }

  static std::string ModeOf(const std::string& path) {
    struct stat info = {};
    if (stat(path.c_str(), &info) != 0) return "none";
    return absl::StrFormat("%04o", info.st_mode & 07777);
  }

  const mode_t umask_;
  const TempDirectory directory_;
};

TEST_F(DirectoryTest, MakesWhatIsMissingWithTheModesAsked) {
  const std::string path = directory_.Path("a/b/c");
  const auto made = MakeDirectories(path, 0750, 0755);
  ASSERT_THAT(made, IsOk());
  struct stat by_path = {};
  struct stat by_fd = {};
  ASSERT_EQ(stat(path.c_str(), &by_path), 0);
  ASSERT_EQ(fstat(made->get(), &by_fd), 0);
  EXPECT_EQ(by_path.st_ino, by_fd.st_ino);
  EXPECT_EQ(ModeOf(path), "0750");
  EXPECT_EQ(ModeOf(directory_.Path("a/b")), "0755");
  EXPECT_EQ(ModeOf(directory_.Path("a")), "0755");
}

TEST_F(DirectoryTest, WhatWasThereStaysAsItIs) {
  const std::string path = directory_.Path("a/b");
  ASSERT_THAT(MakeDirectories(path, 0711, 0700), IsOk());
  const auto again = MakeDirectories(path + "//", 0755, 0755);
  ASSERT_THAT(again, IsOk());
  EXPECT_FALSE(again->valid());
  EXPECT_EQ(ModeOf(path), "0711");
  EXPECT_EQ(ModeOf(directory_.Path("a")), "0700");
  const auto root = MakeDirectories("/", 0755, 0755);
  ASSERT_THAT(root, IsOk());
  EXPECT_FALSE(root->valid());
}

TEST_F(DirectoryTest, DirectoryThatAnOperatorMovedIsFollowed) {
  ASSERT_THAT(MakeDirectories(directory_.Path("disk"), 0700, 0700), IsOk());
  ASSERT_EQ(symlink("disk", directory_.Path("link").c_str()), 0);
  ASSERT_THAT(MakeDirectories(directory_.Path("link/runs"), 0700, 0700),
              IsOk());
  EXPECT_EQ(ModeOf(directory_.Path("disk/runs")), "0700");
}

TEST_F(DirectoryTest, SaysWhatIsInTheWay) {
  directory_.Write("file", "");
  ASSERT_EQ(symlink("nowhere", directory_.Path("dangling").c_str()), 0);
  EXPECT_THAT(MakeDirectories(directory_.Path("file"), 0700, 0700),
              StatusIs(absl::StatusCode::kAlreadyExists, "/file"));
  EXPECT_THAT(MakeDirectories(directory_.Path("file/below"), 0700, 0700),
              StatusIs(absl::StatusCode::kAlreadyExists, "/file"));
  EXPECT_THAT(MakeDirectories(directory_.Path("dangling"), 0700, 0700),
              StatusIs(absl::StatusCode::kAlreadyExists, "/dangling"));
  EXPECT_EQ(ModeOf(directory_.Path("nowhere")), "none");
  EXPECT_THAT(MakeDirectories("", 0700, 0700),
              StatusIs(absl::StatusCode::kInvalidArgument, "no directory"));
}

}  // namespace
}  // namespace specula
