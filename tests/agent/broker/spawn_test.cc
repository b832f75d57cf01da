// A child that is made here, without a broker around it.

#include "agent/broker/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/broker/cgroup.h"
#include "agent/broker/oom_score.h"

namespace specula::agent {
namespace {

SpawnPlan Plan(std::vector<std::string> argv) {
  SpawnPlan plan;
  plan.programs = {argv[0]};
  plan.argv = std::move(argv);
  plan.directory = "/";
  return plan;
}

absl::Status Await(Spawning& child) {
  pollfd report = {child.report_fd(), POLLIN, 0};
  poll(&report, 1, -1);
  return child.Finish();
}

// What it writes until its end.
std::string Output(SpawnPlan plan, const SpawnGroup& group) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd child_end(ends[1]);
  auto child =
      Spawning::Launch(std::move(plan), {-1, child_end.get(), -1}, group);
  EXPECT_TRUE(child.ok()) << child.status();
  child_end.Reset();
  EXPECT_TRUE(Await(**child).ok());
  std::string text;
  char chunk[4096];
  ssize_t got;
  while ((got = read(out.get(), chunk, sizeof chunk)) > 0) {
    text.append(chunk, static_cast<size_t>(got));
  }
  EXPECT_EQ(waitpid((*child)->pid(), nullptr, 0), (*child)->pid());
  return text;
}

TEST(SpawningTest, ChildIsInItsGroupWhicheverWayItGotThere) {
  auto pool = CgroupPool::Create(absl::StrCat("test", getpid()));
  if (!pool.ok()) GTEST_SKIP() << pool.status();
  auto group = (*pool)->Take();
  ASSERT_TRUE(group.ok());
  const std::string name =
      group->path().substr(group->path().rfind("/specula."));
  // Born in it, and as before kernel 5.7.
  for (const SpawnGroup& way :
       {SpawnGroup{group->directory_fd(), group->procs_fd()},
        SpawnGroup{-1, group->procs_fd()}}) {
    const std::string groups =
        Output(Plan({"/bin/cat", "/proc/self/cgroup"}), way);
    EXPECT_TRUE(absl::StrContains(groups, absl::StrCat(name, "\n"))) << groups;
  }
}

TEST(SpawningTest, BrokerGoesOnWhileTheChildIsHeldUp) {
  // Stopped, as its user may do, it is as one that waits for a dead server.
  auto child = Spawning::Launch(Plan({"/bin/true"}), {}, {});
  ASSERT_TRUE(child.ok());
  const pid_t pid = (*child)->pid();
  kill(pid, SIGSTOP);
  static_cast<void>((*child)->Abandon());
  int status = 0;
  // If its exec came first it was not killed.
  kill(pid, SIGCONT);
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE((*child)->Abandon()) << "its memory is free when it has ended";
}

// What the kernel says, for "self" or a pid.
std::string OomScoreOf(const std::string& process) {
  std::string score;
  std::ifstream(absl::StrCat("/proc/", process, "/oom_score_adj")) >> score;
  return score;
}

TEST(SpawningTest, ChildHasNoOomScoreAndTheProcessItsOwnBack) {
  const std::string before = OomScoreOf("self");
  std::ofstream("/proc/self/oom_score_adj") << "300";
  ASSERT_EQ(OomScoreOf("self"), "300");
  // Two on their way at once, of which the second is held up.
  auto first = Spawning::Launch(Plan({"/bin/sleep", "1000"}), {}, {});
  auto second = Spawning::Launch(Plan({"/bin/sleep", "1000"}), {}, {});
  ASSERT_TRUE(first.ok() && second.ok());
  kill((*second)->pid(), SIGSTOP);
  EXPECT_TRUE(Await(**first).ok());
  // Forked meanwhile, as the front and the writers of logs are.
  const pid_t own = fork();
  if (own == 0) {
    TakeOwnOomScore();
    _exit(OomScoreOf("self") == "300" ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(own, &status, 0), own);
  EXPECT_EQ(status, 0);
  const pid_t pids[] = {(*first)->pid(), (*second)->pid()};
  for (pid_t pid : pids) EXPECT_EQ(OomScoreOf(std::to_string(pid)), "0");
  second->reset();
  EXPECT_EQ(OomScoreOf("self"), "300");
  EXPECT_EQ(OomScoreOf(std::to_string(pids[0])), "0");
  for (pid_t pid : pids) {
    kill(pid, SIGKILL);
    EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  }
  std::ofstream("/proc/self/oom_score_adj") << before;
}

TEST(SpawningTest, ManyAtOnceDoNotDisturbEachOther) {
  std::vector<std::unique_ptr<Spawning>> children;
  for (int i = 0; i < 100; ++i) {
    auto child = Spawning::Launch(
        Plan({i % 3 == 0 ? "/no/such" : "/bin/true", std::string(1000, 'x')}),
        {}, {});
    ASSERT_TRUE(child.ok());
    children.push_back(*std::move(child));
    // What the children run beside: memory that comes and goes, errno that
    // changes.
    std::set<std::string> churn;
    for (int j = 0; j < 50; ++j)
      churn.insert(std::string(static_cast<size_t>(j * 37), 'y'));
    errno = i;
    ASSERT_EQ(errno, i);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Await(*children[static_cast<size_t>(i)]).ok(), i % 3 != 0) << i;
    EXPECT_EQ(waitpid(children[static_cast<size_t>(i)]->pid(), nullptr, 0),
              children[static_cast<size_t>(i)]->pid());
  }
}

}  // namespace
}  // namespace specula::agent
