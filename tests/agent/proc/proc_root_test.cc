#include "agent/proc/proc_root.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProcRootTest : public ::testing::Test {
 protected:
  ProcRootTest() {
    std::string name = testing::TempDir() + "proc_root_XXXXXX";
    directory_ = mkdtemp(name.data());
    std::filesystem::create_directory(directory_ + "/proc");
  }
  ~ProcRootTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& path, const std::string& text) {
    std::ofstream(directory_ + path, std::ios::binary) << text;
  }

  std::string directory_;
};

int OpenDescriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST_F(ProcRootTest, FilesAreReadBelowTheRoot) {
  const std::string bytes("a\0b\n", 4);
  Write("/proc/loadavg", bytes);
  const ProcRoot root(directory_);
  EXPECT_EQ(root.Path("/proc/loadavg"), directory_ + "/proc/loadavg");
  auto text = root.Read("/proc/loadavg");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, bytes);
}

TEST_F(ProcRootTest, EmptyRootIsThisMachine) {
  ProcRoot root("");
  EXPECT_EQ(root.Path("/proc/stat"), "/proc/stat");
  auto read = root.Read("/proc/self/stat");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(*read, HasSubstr("("));
  // Contents that a file of /proc makes up anew at each reading.
  for (int i = 0; i < 3; ++i) {
    auto pinned = root.ReadPinned("/proc/stat");
    ASSERT_TRUE(pinned.ok()) << pinned.status();
    EXPECT_EQ(pinned->substr(0, 4), "cpu ");
    EXPECT_EQ(pinned->back(), '\n');
  }
}

TEST_F(ProcRootTest, AbsentFileIsNotFound) {
  ProcRoot root(directory_);
  auto read = root.Read("/proc/none");
  EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("/proc/none"));
  auto pinned = root.ReadPinned("/proc/none");
  EXPECT_EQ(pinned.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(pinned.status().message()), HasSubstr("/proc/none"));
}

TEST_F(ProcRootTest, ReadingIsLimited) {
  Write("/proc/most", std::string(4 << 20, 'x'));
  Write("/proc/more", std::string((4 << 20) + 1, 'x'));
  ProcRoot root(directory_);
  auto most = root.Read("/proc/most");
  ASSERT_TRUE(most.ok()) << most.status();
  EXPECT_EQ(most->size(), size_t{4} << 20);
  EXPECT_EQ(root.Read("/proc/more").status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(root.ReadPinned("/proc/more").status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ProcRootTest, FolderAndFifoAreErrorsAndDoNotHang) {
  ASSERT_EQ(mkfifo((directory_ + "/proc/fifo").c_str(), 0600), 0);
  ProcRoot root(directory_);
  EXPECT_FALSE(root.Read("/proc").ok());
  EXPECT_FALSE(root.ReadPinned("/proc").ok());
  EXPECT_FALSE(root.Read("/proc/fifo").ok());
  EXPECT_FALSE(root.ReadPinned("/proc/fifo").ok());
}

TEST_F(ProcRootTest, PinnedFileIsReadAnewFromItsStart) {
  Write("/proc/stat", "first and long");
  ProcRoot root(directory_);
  auto first = root.ReadPinned("/proc/stat");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first, "first and long");
  Write("/proc/stat", "second");
  auto second = root.ReadPinned("/proc/stat");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, "second");
}

TEST_F(ProcRootTest, PinnedFileKeepsOneDescriptorUntilTheEnd) {
  Write("/proc/stat", "x");
  const int before = OpenDescriptors();
  {
    ProcRoot root(directory_);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(root.ReadPinned("/proc/stat").ok());
    }
    EXPECT_EQ(OpenDescriptors(), before + 1);
    ASSERT_TRUE(root.Read("/proc/stat").ok());
    EXPECT_EQ(OpenDescriptors(), before + 1);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ProcRootTest, DescriptorsAreNotInherited) {
  Write("/proc/stat", "x");
  ProcRoot root(directory_);
  ASSERT_TRUE(root.ReadPinned("/proc/stat").ok());
  bool found = false;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry, error) !=
        directory_ + "/proc/stat") {
      continue;
    }
    found = true;
    const int flags = fcntl(std::stoi(entry.path().filename()), F_GETFD);
    EXPECT_EQ(flags & FD_CLOEXEC, FD_CLOEXEC);
  }
  EXPECT_TRUE(found);
}

TEST_F(ProcRootTest, AbsentPinnedFileIsTriedAgain) {
  ProcRoot root(directory_);
  EXPECT_FALSE(root.ReadPinned("/proc/late").ok());
  Write("/proc/late", "here");
  auto text = root.ReadPinned("/proc/late");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "here");
}

TEST_F(ProcRootTest, ManyThreadsMayReadPinnedFiles) {
  constexpr int kFiles = 20;
  for (int i = 0; i < kFiles; ++i) {
    Write("/proc/" + std::to_string(i), std::to_string(i));
  }
  ProcRoot root(directory_);
  const int before = OpenDescriptors();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&root] {
      for (int i = 0; i < 50 * kFiles; ++i) {
        const std::string name = std::to_string(i % kFiles);
        auto text = root.ReadPinned("/proc/" + name);
        ASSERT_TRUE(text.ok()) << text.status();
        EXPECT_EQ(*text, name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(OpenDescriptors(), before + kFiles);
}

TEST_F(ProcRootTest, AFileThatReadsNoMoreIsOpenedAgain) {
  // What a dead FUSE file (lxcfs) or a control group that is gone does: here
  // the stat of a process that has ended.
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  std::filesystem::create_symlink("/proc/" + std::to_string(child) + "/stat",
                                  directory_ + "/proc/meminfo");
  ProcRoot root(directory_, absl::InfiniteDuration());
  auto before = root.ReadPinned("/proc/meminfo");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(root.ReadPinned("/proc/meminfo").ok());
  std::filesystem::remove(directory_ + "/proc/meminfo");
  Write("/proc/meminfo", "here again");
  auto after = root.ReadPinned("/proc/meminfo");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, "here again");
}

TEST_F(ProcRootTest, AFileInPlaceOfAnotherIsNoticed) {
  Write("/proc/stat", "first");
  ProcRoot root(directory_, absl::ZeroDuration());
  ProcRoot patient(directory_, absl::InfiniteDuration());
  const int before = OpenDescriptors();
  ASSERT_TRUE(root.ReadPinned("/proc/stat").ok());
  ASSERT_TRUE(patient.ReadPinned("/proc/stat").ok());
  Write("/proc/new", "second");
  std::filesystem::rename(directory_ + "/proc/new", directory_ + "/proc/stat");
  EXPECT_EQ(root.ReadPinned("/proc/stat").value_or(""), "second");
  EXPECT_EQ(patient.ReadPinned("/proc/stat").value_or(""), "first")
      << "looked at too often";
  EXPECT_EQ(OpenDescriptors(), before + 2);
  std::filesystem::remove(directory_ + "/proc/stat");
  EXPECT_EQ(root.ReadPinned("/proc/stat").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenDescriptors(), before + 1);
}

TEST_F(ProcRootTest, WhoReadsAFileThatIsReplacedKeepsIt) {
  Write("/proc/stat", "text 0");
  ProcRoot root(directory_, absl::ZeroDuration());
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!over) {
        auto text = root.ReadPinned("/proc/stat");
        ASSERT_TRUE(text.ok()) << text.status();
        EXPECT_EQ(text->substr(0, 5), "text ");
      }
    });
  }
  for (int i = 1; i <= 200; ++i) {
    Write("/proc/new", "text " + std::to_string(i));
    std::filesystem::rename(directory_ + "/proc/new",
                            directory_ + "/proc/stat");
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(root.ReadPinned("/proc/stat").value_or(""), "text 200");
}

TEST_F(ProcRootTest, WhatTheKernelDoesNotTellOfMayAlwaysHaveChanged) {
  ProcRoot root(directory_);
  EXPECT_TRUE(root.PinnedHasChanged("/proc/mountinfo"));
  Write("/proc/mountinfo", "x");
  ASSERT_TRUE(root.ReadPinned("/proc/mountinfo").ok());
  EXPECT_TRUE(root.PinnedHasChanged("/proc/mountinfo"));
}

TEST_F(ProcRootTest, FoldersAreListedSortedWithoutDots) {
  Write("/proc/b", "");
  Write("/proc/.hidden", "");
  std::filesystem::create_directory(directory_ + "/proc/a");
  const ProcRoot root(directory_);
  auto names = root.List("/proc");
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_THAT(*names, ElementsAre(".hidden", "a", "b"));
  auto empty = root.List("/proc/a");
  ASSERT_TRUE(empty.ok());
  EXPECT_THAT(*empty, IsEmpty());
  EXPECT_EQ(root.List("/proc/none").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(root.List("/proc/b").ok());
}

TEST_F(ProcRootTest, LinksAreReadNotFollowed) {
  std::filesystem::create_symlink("../x y/z", directory_ + "/proc/link");
  Write("/proc/file", "");
  const ProcRoot root(directory_);
  auto target = root.ReadLink("/proc/link");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(*target, "../x y/z");
  EXPECT_FALSE(root.ReadLink("/proc/file").ok());
  EXPECT_EQ(root.ReadLink("/proc/none").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ProcRootTest, ExistenceFollowsLinks) {
  Write("/proc/file", "");
  std::filesystem::create_symlink("file", directory_ + "/proc/good");
  std::filesystem::create_symlink("none", directory_ + "/proc/dangling");
  const ProcRoot root(directory_);
  EXPECT_TRUE(root.Exists("/proc"));
  EXPECT_TRUE(root.Exists("/proc/file"));
  EXPECT_TRUE(root.Exists("/proc/good"));
  EXPECT_FALSE(root.Exists("/proc/dangling"));
  EXPECT_FALSE(root.Exists("/proc/none"));
}

}  // namespace
}  // namespace specula::agent
