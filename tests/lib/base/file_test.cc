#include "lib/base/file.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/unique_fd.h"
#include "tests/lib/base/testing.h"

namespace specula {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
constexpr auto kTooLong = absl::StatusCode::kResourceExhausted;
constexpr gid_t kForeign = 12345;

class FileTest : public ::testing::Test {
 protected:
  std::string Make(const std::string& name, const std::string& text,
                   mode_t mode = 0644) {
    const std::string path = directory_.Write(name, text);
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string ModeOf(const std::string& path) {
    struct stat info = {};
    if (lstat(path.c_str(), &info) != 0) return "none";
    return absl::StrFormat("%04o", info.st_mode & 07777);
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TempDirectory directory_;
};

TEST_F(FileTest, ReadsAWholeFile) {
  std::string big;
  for (int i = 0; big.size() < 100'000; ++i) absl::StrAppend(&big, i, ",");
  const std::string kCases[] = {"", "a", std::string("a\0b\n", 4),
                                std::string(4096, 'x'), big};
  for (const std::string& text : kCases) {
    absl::StatusOr<std::string> read = ReadFile(Make("f", text));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, text);
  }
}

TEST_F(FileTest, ReadsFilesThatDoNotTellTheirSize) {
  absl::StatusOr<std::string> read = ReadFile("/proc/self/status");
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(*read, HasSubstr("\nPid:"));
}

TEST_F(FileTest, ReadsFromTheStartWhereverTheDescriptorStands) {
  UniqueFd fd(open(Make("f", "content").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(lseek(fd.get(), 3, SEEK_SET), 3);
  EXPECT_EQ(ReadAll(fd.get(), "f", 100).value_or(""), "content");
  EXPECT_EQ(ReadAll(fd.get(), "f", 100).value_or(""), "content");
  EXPECT_EQ(lseek(fd.get(), 0, SEEK_CUR), 3);
}

TEST_F(FileTest, TheLimitIsTheLastLengthThatIsRead) {
  for (size_t limit : {size_t{1}, size_t{10}, size_t{4096}, size_t{5000}}) {
    const std::string path = Make("f", std::string(limit, 'x'));
    EXPECT_THAT(ReadFile(path, limit), IsOk());
    EXPECT_THAT(ReadFile(path, limit - 1), StatusIs(kTooLong, path));
    chmod(path.c_str(), 0600);
    EXPECT_THAT(ReadSecretFile(path, limit), IsOk());
    EXPECT_THAT(ReadSecretFile(path, limit - 1), StatusIs(kTooLong, path));
  }
  EXPECT_THAT(ReadFile("/dev/zero", 100), StatusIs(kTooLong, "/dev/zero"));
}

TEST_F(FileTest, ErrorsCarryThePath) {
  const std::string path = directory_.Path("missing");
  EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound, path));
  EXPECT_THAT(ReadSecretFile(path),
              StatusIs(absl::StatusCode::kNotFound, path));
  absl::StatusOr<std::string> directory = ReadFile(directory_.path());
  EXPECT_FALSE(directory.ok());
  EXPECT_THAT(directory.status().message(), HasSubstr(directory_.path()));
}

TEST_F(FileTest, SecretsAreOnlyReadWhereOthersCannot) {
  const struct {
    mode_t mode;
    bool ok;
  } kCases[] = {
      {0600, true},  {0400, true},  {0700, true},   {0640, true},
      {0440, true},  {0660, false}, {0620, false},  {0644, false},
      {0604, false}, {0602, false}, {0601, false},  {0606, false},
      {0666, false}, {0777, false}, {04604, false},
  };
  for (const auto& test : kCases) {
    const std::string path = Make("key", "secret", 0600);
    ASSERT_EQ(chown(path.c_str(), geteuid(), getegid()), 0);
    ASSERT_EQ(chmod(path.c_str(), test.mode), 0);
    absl::StatusOr<std::string> read = ReadSecretFile(path);
    const std::string mode = absl::StrFormat("%04o", test.mode);
    if (test.ok) {
      ASSERT_THAT(read, IsOk()) << mode;
      EXPECT_EQ(*read, "secret");
    } else {
      EXPECT_THAT(read, StatusIs(kDenied, path)) << mode;
      EXPECT_THAT(read, StatusIs(kDenied, "mode " + mode));
      EXPECT_THAT(read, StatusIs(kDenied, "chmod 600 " + path));
    }
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  }
}

TEST_F(FileTest, WhatIsNoRegularFileIsNoSecret) {
  EXPECT_THAT(ReadSecretFile(directory_.path()),
              StatusIs(kDenied, directory_.path()));
  EXPECT_THAT(ReadSecretFile("/dev/null"), StatusIs(kDenied, "/dev/null"));
  const std::string fifo = directory_.Path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  // Without a writer; a blocking open would hang for good.
  EXPECT_THAT(ReadSecretFile(fifo), StatusIs(kDenied, fifo));
  EXPECT_FALSE(ReadFile(fifo).ok());
}

TEST_F(FileTest, SecretsMayBeReachedByALink) {
  const std::string path = Make("key", "secret", 0600);
  const std::string link = directory_.Path("link");
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  EXPECT_EQ(ReadSecretFile(link).value_or(""), "secret");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_THAT(ReadSecretFile(link), StatusIs(kDenied, link));
}

TEST_F(FileTest, ForeignGroupAndOwnerAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  const std::string path = Make("key", "secret", 0640);
  ASSERT_EQ(chown(path.c_str(), 0, kForeign), 0);
  EXPECT_THAT(ReadSecretFile(path), StatusIs(kDenied, path));
  // What the group cannot read is none of its business.
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_THAT(ReadSecretFile(path), IsOk());
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_THAT(ReadSecretFile(path), StatusIs(kDenied, "belongs to user 12345"));
}

TEST_F(FileTest, SupplementaryGroupsAreOwnAndRootMayGive) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to change who it is";
  const std::string path = Make("key", "secret", 0640);
  ASSERT_EQ(chown(path.c_str(), 0, kForeign), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  // A child that is somebody else, in that group: a secret mounted for it.
  auto read_as_somebody = [&] {
    const gid_t groups[] = {4, kForeign};
    if (setgroups(2, groups) != 0 || setgid(54321) != 0 || setuid(54321) != 0) {
      _exit(2);
    }
    _exit(ReadSecretFile(path).ok() ? 0 : 1);
  };
  EXPECT_EXIT(read_as_somebody(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FileTest, WritesWithTheModeWhateverTheUmask) {
  const mode_t before = umask(0077);
  EXPECT_THAT(WriteFileAtomically(directory_.Path("a"), "x", 0644, false),
              IsOk());
  umask(0);
  EXPECT_THAT(WriteFileAtomically(directory_.Path("b"), "x", 0600, false),
              IsOk());
  umask(before);
  EXPECT_EQ(ModeOf(directory_.Path("a")), "0644");
  EXPECT_EQ(ModeOf(directory_.Path("b")), "0600");
}

TEST_F(FileTest, ReplacesContentAndMode) {
  const std::string path = Make("f", "old and longer", 0644);
  EXPECT_THAT(WriteFileAtomically(path, "new", 0600, true), IsOk());
  EXPECT_EQ(ReadFile(path).value_or(""), "new");
  EXPECT_EQ(ModeOf(path), "0600");
  EXPECT_THAT(Files(), ElementsAre("f"));
}

TEST_F(FileTest, CreatesWhatIsToBeReplaced) {
  const std::string path = directory_.Path("f");
  EXPECT_THAT(WriteFileAtomically(path, std::string("a\0b", 3), 0644, true),
              IsOk());
  EXPECT_EQ(ReadFile(path).value_or(""), std::string("a\0b", 3));
}

TEST_F(FileTest, KeepsWhatIsNotToBeReplaced) {
  const std::string path = Make("f", "old", 0640);
  EXPECT_THAT(WriteFileAtomically(path, "new", 0600, false),
              StatusIs(absl::StatusCode::kAlreadyExists, path));
  EXPECT_EQ(ReadFile(path).value_or(""), "old");
  EXPECT_EQ(ModeOf(path), "0640");
  EXPECT_THAT(Files(), ElementsAre("f")) << "no temporary file stays";
}

TEST_F(FileTest, AReaderOfTheOldFileKeepsIt) {
  const std::string path = Make("f", "old");
  UniqueFd reader(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_THAT(WriteFileAtomically(path, "new", 0644, true), IsOk());
  EXPECT_EQ(ReadAll(reader.get(), path, 100).value_or(""), "old");
}

TEST_F(FileTest, ALinkIsReplacedAndNotFollowed) {
  const std::string target = Make("target", "precious");
  const std::string path = directory_.Path("f");
  ASSERT_EQ(symlink(target.c_str(), path.c_str()), 0);
  EXPECT_THAT(WriteFileAtomically(path, "x", 0644, false),
              StatusIs(absl::StatusCode::kAlreadyExists, path));
  EXPECT_THAT(WriteFileAtomically(path, "new", 0644, true), IsOk());
  EXPECT_EQ(ReadFile(target).value_or(""), "precious");
  EXPECT_EQ(ReadFile(path).value_or(""), "new");
}

// The kernel gives it page by page, each with a gap where the next record did
// not fit.
TEST_F(FileTest, KnowingTheLongestLineLosesNothing) {
  const UniqueFd fd(open("/proc/crypto", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) GTEST_SKIP() << "no /proc/crypto";
  absl::StatusOr<std::string> whole = ReadAll(fd.get(), "crypto", 1 << 20);
  ASSERT_THAT(whole, IsOk());
  absl::StatusOr<std::string> lines = ReadAll(fd.get(), "crypto", 1 << 20, 512);
  ASSERT_THAT(lines, IsOk());
  EXPECT_EQ(*lines, *whole);
  for (size_t size : {0, 1, 3583, 3584, 3585, 4095, 4096, 4097, 9000}) {
    const UniqueFd file(
        open(Make("f", std::string(size, 'x')).c_str(), O_RDONLY | O_CLOEXEC));
    absl::StatusOr<std::string> read = ReadAll(file.get(), "f", 1 << 20, 512);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->size(), size);
  }
}

TEST_F(FileTest, WritingFailsWithThePathAndLeavesNothing) {
  const std::string path = directory_.Path("missing/f");
  EXPECT_THAT(WriteFileAtomically(path, "x", 0644, true),
              StatusIs(absl::StatusCode::kNotFound, path));
  std::filesystem::create_directory(directory_.Path("d"));
  EXPECT_FALSE(WriteFileAtomically(directory_.Path("d"), "x", 0644, true).ok());
  EXPECT_THAT(Files(), ElementsAre("d"));
}

}  // namespace
}  // namespace specula
