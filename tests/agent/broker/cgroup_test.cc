// Control groups and the pool that hands them out, without a broker.

#include "agent/broker/cgroup.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

// Children of this process that sleep in a group; reaped at the end.
class Sleepers {
 public:
  Sleepers(const Cgroup& group, int count) {
    for (int i = 0; i < count; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        if (write(group.procs_fd(), "0", 1) != 1) _exit(1);
        while (true) pause();
      }
      pids_.push_back(pid);
    }
  }
  ~Sleepers() {
    for (pid_t pid : pids_) kill(pid, SIGKILL);
    for (pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

  bool AllIn(const Cgroup& group) const {
    // A fork is in the group only when it has written itself in.
    for (int i = 0; i < 2000 && group.Members().size() < pids_.size(); ++i)
      usleep(5000);
    return group.Members().size() == pids_.size();
  }

 private:
  std::vector<pid_t> pids_;
};

class CgroupPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto pool = CgroupPool::Create(owner_); !pool.ok())
      GTEST_SKIP() << pool.status();
  }

  const std::string owner_ = absl::StrCat("pooltest", getpid());
};

TEST_F(CgroupPoolTest, NothingIsLeftOfAPoolThatEndsWhileItsProcessesDie) {
  auto pool = CgroupPool::Create(owner_);
  ASSERT_TRUE(pool.ok());
  const std::string path = (*pool)->path();
  auto group = (*pool)->Take();
  ASSERT_TRUE(group.ok());
  const Sleepers sleepers(*group, 200);
  ASSERT_TRUE(sleepers.AllIn(*group));
  group->Kill();
  (*pool)->Return(*std::move(group));
  pool->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(CgroupPoolTest, NothingIsLeftOfABrokerThatDiedWithItsProcessesAlive) {
  auto old = CgroupPool::Create(owner_);
  ASSERT_TRUE(old.ok());
  const std::string base = std::filesystem::path((*old)->path()).parent_path();
  const std::string died = (*old)->path() + "999999";  // nobody's pid
  old->reset();
  ASSERT_TRUE(std::filesystem::create_directories(died + "/0"));
  auto group = Cgroup::Open(died + "/0");
  ASSERT_TRUE(group.ok()) << group.status();
  const Sleepers sleepers(*group, 200);
  ASSERT_TRUE(sleepers.AllIn(*group));
  auto pool = CgroupPool::Create(owner_, base);
  ASSERT_TRUE(pool.ok());
  (*pool)->Sweep({});
  EXPECT_FALSE(std::filesystem::exists(died));
}

TEST_F(CgroupPoolTest, GroupOfOneJobIsRemovedOnceItIsEmpty) {
  auto pool = CgroupPool::Create(owner_);
  ASSERT_TRUE(pool.ok());
  auto group = (*pool)->Make("name");
  ASSERT_TRUE(group.ok());
  const std::string path = (*pool)->PathOf("name");
  EXPECT_EQ(group->path(), path);
  EXPECT_FALSE((*pool)->Make("name").ok()) << "it is one job's only";
  {
    const Sleepers sleepers(*group, 1);
    ASSERT_TRUE(sleepers.AllIn(*group));
    (*pool)->Return(*std::move(group));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_TRUE((*pool)->Take().ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(CgroupPoolTest, SweepKeepsByPathAndByName) {
  auto old = CgroupPool::Create(owner_);
  ASSERT_TRUE(old.ok());
  const std::string base = std::filesystem::path((*old)->path()).parent_path();
  const std::string died = (*old)->path() + "999999";  // beyond pid_max
  old->reset();
  for (const char* name : {"a", "b", "c"})
    ASSERT_TRUE(std::filesystem::create_directories(died + "/" + name));
  auto a = Cgroup::Open(died + "/a");
  auto b = Cgroup::Open(died + "/b");
  auto c = Cgroup::Open(died + "/c");
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  {
    const Sleepers in_a(*a, 1), in_b(*b, 1), in_c(*c, 1);
    ASSERT_TRUE(in_a.AllIn(*a) && in_b.AllIn(*b) && in_c.AllIn(*c));
    auto pool = CgroupPool::Create(owner_, base);
    ASSERT_TRUE(pool.ok());
    (*pool)->Sweep({died + "/a", "b"});
    EXPECT_EQ(a->Members().size(), 1u);
    EXPECT_EQ(b->Members().size(), 1u);
    EXPECT_FALSE(std::filesystem::exists(died + "/c"));
  }
  EXPECT_TRUE(a->AwaitEmpty(absl::Seconds(10)));
  EXPECT_TRUE(b->AwaitEmpty(absl::Seconds(10)));
  // The next broker of this owner tidies up.
  auto next = CgroupPool::Create(owner_, base);
  ASSERT_TRUE(next.ok());
  (*next)->Sweep({});
  EXPECT_FALSE(std::filesystem::exists(died));
}

TEST_F(CgroupPoolTest, WhoLivesOnIsNeitherKilledNorWaitedFor) {
  auto pool = CgroupPool::Create(owner_);
  ASSERT_TRUE(pool.ok());
  const std::string path = (*pool)->path();
  auto group = (*pool)->Take();
  ASSERT_TRUE(group.ok());
  auto seen = Cgroup::Open(group->path());
  ASSERT_TRUE(seen.ok());
  {
    const Sleepers sleepers(*group, 1);
    ASSERT_TRUE(sleepers.AllIn(*group));
    (*pool)->Return(*std::move(group));
    pool->reset();
    EXPECT_EQ(seen->Members().size(), 1u);
    EXPECT_FALSE(seen->AwaitEmpty(absl::Milliseconds(1)));
  }
  EXPECT_TRUE(seen->AwaitEmpty(absl::Seconds(10)));
  // The next broker of this owner tidies up.
  ASSERT_TRUE(CgroupPool::Create(owner_).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace specula::agent
