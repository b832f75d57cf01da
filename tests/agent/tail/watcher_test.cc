#include "agent/tail/watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class WatcherTest : public ::testing::Test {
 protected:
  Watcher::Id Subscribe(const std::string& name) {
    const Watcher::Id id = watcher_.Add(box_.Path(name));
    const absl::Status status = watcher_.Arm(id);
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  // Who is woken, and whether for the name.
  std::map<Watcher::Id, bool> Woken() {
    std::map<Watcher::Id, bool> woken;
    Watcher::Wakes wakes = watcher_.Dispatch();
    overflow_ = wakes.overflow;
    for (const Watcher::Wake& wake : wakes.wakes) {
      EXPECT_FALSE(woken.contains(wake.id));
      woken[wake.id] = wake.name_changed;
    }
    return woken;
  }

  bool Readable() {
    pollfd waiting{watcher_.fd(), POLLIN, 0};
    return poll(&waiting, 1, 0) == 1;
  }

  // Watches that the kernel knows of.
  int KernelWatches() {
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(watcher_.fd()));
    int count = 0;
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("inotify wd:")) ++count;
    }
    return count;
  }

  static int Instances() {
    int count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      const std::string target =
          std::filesystem::read_symlink(entry, error).string();
      if (target == "anon_inode:inotify") ++count;
    }
    return count;
  }

  Sandbox box_;
  Watcher watcher_;
  bool overflow_ = false;
};

TEST_F(WatcherTest, AppendWakesForTheContent) {
  box_.Append("log", "a");
  const auto id = Subscribe("log");
  EXPECT_THAT(Woken(), IsEmpty());
  EXPECT_FALSE(Readable());
  box_.Append("log", "b");
  EXPECT_TRUE(Readable());
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(WatcherTest, WhatHappensToTheNameWakesForTheName) {
  box_.Append("log", "a");
  const auto id = Subscribe("log");
  box_.Rename("log", "log.1");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  box_.Append("log", "");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  box_.Append("log", "a");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  box_.Append("other", "a");
  EXPECT_THAT(Woken(), IsEmpty());
  box_.Rename("other", "log");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  box_.Remove("log");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
}

TEST_F(WatcherTest, DeletionOfAFileThatIsHeldOpenIsToldOfTheFileToo) {
  box_.Directory("a");
  box_.Append("a/log", "");
  const auto id = Subscribe("a/log");
  UniqueFd held(open(box_.Path("a/log").c_str(), O_RDONLY));
  box_.Remove("a/log");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
}

TEST_F(WatcherTest, AFileThatLostItsNameIsWatchedUntilAnotherHasIt) {
  box_.Append("log", "");
  const auto id = Subscribe("log");
  UniqueFd daemon = box_.Writer("log");
  box_.Rename("log", "log.1");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  EXPECT_TRUE(watcher_.Arm(id).ok());
  ASSERT_EQ(write(daemon.get(), "x", 1), 1);
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  EXPECT_EQ(KernelWatches(), 2);
  box_.Append("log", "");
  Woken();
  EXPECT_TRUE(watcher_.Arm(id).ok());
  EXPECT_EQ(KernelWatches(), 2);
}

TEST_F(WatcherTest, EachLinkOnTheWayIsWatched) {
  box_.Directory("d1");
  box_.Directory("d2");
  box_.Append("d1/log", "");
  box_.Append("d2/log", "");
  box_.Link("d1", "current");
  box_.Link("current/log", "log");
  const auto id = Subscribe("log");
  box_.Link("d2", "current");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  box_.Append("d2/log", "x");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  box_.Append("d1/log", "x");
  EXPECT_THAT(Woken(), IsEmpty());
  box_.Link("d1/log", "log");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
}

TEST_F(WatcherTest, DirectoriesThatAreNotThereYetAreWaitedFor) {
  const auto id = Subscribe("a/b/log");
  box_.Directory("a");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  box_.Directory("a/b");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  box_.Append("a/b/log", "");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
}

TEST_F(WatcherTest, ADirectoryThatIsMovedOrDeletedWakes) {
  box_.Directory("a");
  const auto id = Subscribe("a/log");
  box_.Rename("a", "b");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  Woken();
  box_.Directory("a");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  std::filesystem::remove_all(box_.Path("a"));
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true)));
  EXPECT_TRUE(watcher_.Arm(id).ok());
  EXPECT_EQ(KernelWatches(), 1);
  EXPECT_EQ(watcher_.watch_count(), 1u);
}

TEST_F(WatcherTest, AThousandSubscribersOfOneFileShareItsWatches) {
  box_.Append("log", "");
  std::vector<Watcher::Id> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(Subscribe("log"));
  EXPECT_EQ(Instances(), 1);
  EXPECT_EQ(KernelWatches(), 2);
  EXPECT_EQ(watcher_.watch_count(), 2u);
  box_.Append("log", "a");
  EXPECT_EQ(Woken().size(), 1000u);
  // Rotation moves all of them over.
  box_.Rename("log", "log.1");
  box_.Append("log", "");
  EXPECT_EQ(Woken().size(), 1000u);
  for (const Watcher::Id id : ids) EXPECT_TRUE(watcher_.Arm(id).ok());
  EXPECT_EQ(KernelWatches(), 2);
  for (size_t i = 1; i < ids.size(); ++i) watcher_.Remove(ids[i]);
  Woken();
  EXPECT_EQ(KernelWatches(), 2);
  box_.Append("log", "a");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(ids[0], false)));
  watcher_.Remove(ids[0]);
  EXPECT_EQ(KernelWatches(), 0);
  EXPECT_EQ(watcher_.watch_count(), 0u);
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(WatcherTest, FilesOfOneDirectoryDoNotWakeEachOther) {
  box_.Append("a", "");
  box_.Append("b", "");
  const auto a = Subscribe("a");
  const auto b = Subscribe("b");
  EXPECT_EQ(KernelWatches(), 3);
  box_.Append("a", "x");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(a, false)));
  box_.Rename("b", "c");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(b, true)));
  watcher_.Remove(a);
  EXPECT_EQ(KernelWatches(), 2);
}

TEST_F(WatcherTest, ManyRotationsLeaveNoWatchesBehind) {
  box_.Append("log", "");
  const auto id = Subscribe("log");
  for (int i = 0; i < 200; ++i) {
    box_.Rename("log", "log.1");
    box_.Append("log", "");
    Woken();
    EXPECT_TRUE(watcher_.Arm(id).ok());
  }
  EXPECT_EQ(KernelWatches(), 2);
  EXPECT_EQ(watcher_.watch_count(), 2u);
}

TEST_F(WatcherTest, AfterAnOverflowEverybodyLooks) {
  box_.Append("log", "");
  box_.Append("other", "");
  const auto id = Subscribe("log");
  const auto other = Subscribe("other");
  int limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  ASSERT_GT(limit, 0);
  const std::string names[] = {box_.Path("x"), box_.Path("y")};
  box_.Append("x", "");
  for (int i = 0; i < limit; ++i) {
    ASSERT_EQ(rename(names[i % 2].c_str(), names[(i + 1) % 2].c_str()), 0);
  }
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, true), Pair(other, true)));
  EXPECT_TRUE(overflow_);
  EXPECT_TRUE(watcher_.Arm(id).ok());
  Woken();
  box_.Append("log", "x");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  EXPECT_FALSE(overflow_);
}

TEST_F(WatcherTest, AFileThatMayNotBeReadIsWatchedThroughItsDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  box_.Append("log", "");
  std::filesystem::permissions(box_.Path(""), std::filesystem::perms(0755));
  std::filesystem::permissions(box_.Path("log"), std::filesystem::perms(0600));
  const auto id = watcher_.Add(box_.Path("log"));
  ASSERT_EQ(seteuid(65534), 0);
  const absl::Status status = watcher_.Arm(id);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_TRUE(status.ok()) << status;
  // Who needs less of the directory takes nothing away.
  Subscribe("readable");
  box_.Append("log", "x");
  EXPECT_THAT(Woken(), UnorderedElementsAre(Pair(id, false)));
  box_.Append("other", "x");
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(WatcherTest, ADirectoryThatMayNotBeReadMeansPolling) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  box_.Directory("secret");
  box_.Append("secret/log", "");
  std::filesystem::permissions(box_.Path(""), std::filesystem::perms(0755));
  std::filesystem::permissions(box_.Path("secret"),
                               std::filesystem::perms(0700));
  const auto id = watcher_.Add(box_.Path("secret/log"));
  ASSERT_EQ(seteuid(65534), 0);
  const absl::Status status = watcher_.Arm(id);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST_F(WatcherTest, FileSystemsThatDoNotTellMeanPolling) {
  const auto id = watcher_.Add("/proc/version");
  EXPECT_EQ(watcher_.Arm(id).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(watcher_.Arm(id + 1).code(), absl::StatusCode::kNotFound);
}

TEST_F(WatcherTest, WithoutAnInstanceAllIsPolled) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Watcher watcher;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(watcher.fd(), -1);
  box_.Append("log", "");
  const auto id = watcher.Add(box_.Path("log"));
  EXPECT_EQ(watcher.Arm(id).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(watcher.Dispatch().wakes, IsEmpty());
  watcher.Remove(id);
}

// In a child, in a user namespace of its own, whose limits are its own.
TEST_F(WatcherTest, WithoutAWatchItIsPolledUntilThereIsOne) {
  constexpr int kSkipped = 77;
  box_.Append("log", "");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0) _exit(kSkipped);
    auto limit = [](const char* text) {
      UniqueFd fd(open("/proc/sys/user/max_inotify_watches", O_WRONLY));
      return fd.valid() && write(fd.get(), text, strlen(text)) > 0;
    };
    if (!limit("1")) _exit(kSkipped);
    Watcher watcher;
    const auto id = watcher.Add(box_.Path("log"));
    if (watcher.Arm(id).code() != absl::StatusCode::kResourceExhausted) {
      _exit(1);
    }
    // The directory is watched all the same.
    box_.Append("log", "x");
    box_.Rename("log", "log.1");
    if (watcher.Dispatch().wakes.size() != 1) _exit(2);
    box_.Append("log", "");
    if (!limit("10")) _exit(3);
    if (!watcher.Arm(id).ok()) _exit(4);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kSkipped) {
    GTEST_SKIP() << "no user namespaces with limits of their own here";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace specula::agent
