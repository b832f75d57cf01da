// The state machine of a child's end, with a tree that is only pretended and
// times that are given.

#include "agent/broker/process_table.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace specula::agent {
namespace {

constexpr absl::Duration T0 = absl::Seconds(1000);
constexpr JobId kJob = 7;
constexpr pid_t kPid = 100;

// What is in it, and what it takes to get it out.
struct FakeWorld {
  std::vector<pid_t> members = {kPid};
  std::vector<int> signals;
  int kills = 0;
  std::vector<pid_t> orphans;  // of the members; they die of TERM
  bool dies_of_term = false;
  bool dies_of_kill = true;
  bool has_sign = true;
  int looks = 0;
};

class FakeTree : public Tree {
 public:
  explicit FakeTree(FakeWorld* world) : world_(world) {}
  std::vector<pid_t> Members() override { return world_->members; }
  bool Empty() override { return world_->members.empty(); }
  std::optional<Sign> SignOfEnd() override {
    ++world_->looks;
    if (Empty()) return std::nullopt;
    return world_->has_sign ? Sign{5, 1} : Sign{};
  }
  std::vector<pid_t> Signal(int signal) override {
    world_->signals.push_back(signal);
    const std::vector<pid_t> members = world_->members;
    if (signal == SIGTERM && world_->dies_of_term) world_->members.clear();
    return members;
  }
  std::vector<pid_t> SignalOrphans(int signal,
                                   const std::set<pid_t>& known) override {
    EXPECT_EQ(signal, SIGTERM);
    std::vector<pid_t> told;
    for (pid_t pid : world_->orphans) {
      if (known.count(pid) > 0) continue;
      told.push_back(pid);
      world_->members.erase(
          std::find(world_->members.begin(), world_->members.end(), pid));
    }
    for (pid_t pid : told) {
      world_->orphans.erase(
          std::find(world_->orphans.begin(), world_->orphans.end(), pid));
    }
    return told;
  }
  std::vector<pid_t> Kill() override {
    ++world_->kills;
    const std::vector<pid_t> members = world_->members;
    if (world_->dies_of_kill) world_->members.clear();
    return members;
  }

 private:
  FakeWorld* world_;
};

class ProcessTableTest : public ::testing::Test {
 protected:
  ProcessTableTest()
      : table_(
            {[this](const ProcessTable::Job& job, absl::Duration wall) {
               ++exited_;
               exit_ = *job.exit;
               wall_ = wall;
             },
             [this](const ProcessTable::Job&, const ProcessTable::Gone& gone) {
               ++gone_count_;
               gone_ = gone;
             },
             [this](const ProcessTable::Job&, const Tree::Sign& sign) {
               EXPECT_EQ(sign.fd, 5);
               ++signs_;
             }}) {}

  void Add(bool started = false,
           absl::Duration timeout = absl::ZeroDuration()) {
    JobFacts facts;
    facts.id = kJob;
    facts.pid = kPid;
    facts.started = started;
    facts.timeout = timeout;
    table_.Add(facts, std::make_unique<FakeTree>(&world_), UniqueFd(), T0);
  }

  // The program ends and leaves `left` behind.
  void EndProgram(std::vector<pid_t> left, absl::Duration now) {
    world_.members = std::move(left);
    ExitFacts facts;
    facts.code = 3;
    EXPECT_TRUE(table_.OnProgramEnd(kPid, facts, now));
  }

  // Does what is due, when it is due, from `now` on. When the last word came.
  absl::Duration AwaitGone(absl::Duration now) {
    while (gone_count_ == 0 && now < T0 + absl::Seconds(60)) {
      last_tick_ = now;
      now = table_.Tick(now);
    }
    return last_tick_;
  }

  FakeWorld world_;
  absl::Duration last_tick_;
  int exited_ = 0;
  int gone_count_ = 0;
  int signs_ = 0;
  ExitFacts exit_;
  absl::Duration wall_;
  ProcessTable::Gone gone_;
  ProcessTable table_;
};

TEST_F(ProcessTableTest, ASignalReachesWhoWasBeingBornMeanwhile) {
  Add(/*started=*/true);
  world_.members = {kPid};
  world_.dies_of_term = true;
  EXPECT_EQ(table_.SignalTree(kPid, SIGTERM, T0), 1);
  EXPECT_EQ(table_.SignalTree(kPid + 1, SIGTERM, T0), std::nullopt);
  EndProgram({kPid + 2}, T0);
  world_.orphans = {kPid + 2};
  EXPECT_EQ(gone_count_, 0);
  EXPECT_LT(AwaitGone(T0), T0 + absl::Seconds(1));
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.killed_count, 0);
}

TEST_F(ProcessTableTest, ASignalIsNotSentOnForEver) {
  Add(/*started=*/true);
  world_.members = {kPid};
  EXPECT_EQ(table_.SignalTree(kPid, SIGTERM, T0), 1);
  absl::Duration now = T0;
  while (now < T0 + absl::Seconds(60)) now = table_.Tick(now);
  EXPECT_EQ(now, absl::InfiniteDuration());
  EXPECT_EQ(gone_count_, 0);
}

TEST_F(ProcessTableTest, CleanEndIsToldAtOnceAndForgotten) {
  Add();
  EXPECT_EQ(table_.next_wake(), absl::InfiniteDuration());
  EndProgram({}, T0 + absl::Seconds(5));
  EXPECT_EQ(exited_, 1);
  EXPECT_EQ(exit_.code, 3);
  EXPECT_EQ(wall_, absl::Seconds(5));
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.killed_count, 0);
  EXPECT_EQ(table_.Find(kJob), nullptr);
  EXPECT_TRUE(absl::IsNotFound(table_.Finish(kJob, T0)));
  EXPECT_FALSE(table_.OnProgramEnd(kPid, {}, T0));
}

TEST_F(ProcessTableTest, WhatIsLeftIsKilledWhenTheDrainIsOver) {
  Add();
  EndProgram({101, 102}, T0);
  EXPECT_EQ(gone_count_, 0);
  EXPECT_EQ(table_.next_wake(), T0 + kDrain);
  table_.Tick(T0 + kDrain - absl::Milliseconds(1));
  EXPECT_EQ(world_.kills, 0);
  table_.Tick(T0 + kDrain);
  EXPECT_EQ(world_.kills, 1);
  table_.Tick(T0 + kDrain + absl::Milliseconds(1));
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.killed_count, 2);
  EXPECT_TRUE(gone_.drain_over);
}

TEST_F(ProcessTableTest, FinishKillsWhatIsLeftAtOnce) {
  Add();
  EXPECT_TRUE(table_.Finish(kJob, T0).ok());
  EXPECT_EQ(world_.kills, 0) << "the program still runs";
  EndProgram({101}, T0);
  EXPECT_TRUE(table_.Finish(kJob, T0).ok());
  table_.Tick(T0 + absl::Milliseconds(1));
  EXPECT_EQ(gone_.killed_count, 1);
  EXPECT_FALSE(gone_.drain_over);
}

TEST_F(ProcessTableTest, StartedProgramsLeaveTheirDaemonsAlone) {
  Add(true);
  EndProgram({101}, T0);
  EXPECT_EQ(exited_, 1);
  EXPECT_EQ(table_.next_wake(), absl::InfiniteDuration());
  EXPECT_TRUE(table_.Finish(kJob, T0).ok());
  EXPECT_EQ(world_.kills, 0);
  table_.EndAllExecs(absl::ZeroDuration(), T0);
  EXPECT_EQ(world_.kills, 0);
  EXPECT_TRUE(table_.EndTree(kJob, {}, T0).ok());
  EXPECT_EQ(world_.signals, (std::vector<int>{SIGTERM, SIGCONT}));
}

TEST_F(ProcessTableTest, WhatAStartLeavesIsGoneWhenItsSignShowsIt) {
  Add(true);
  EndProgram({101, 102}, T0);
  EXPECT_EQ(signs_, 1);
  // One of them has ended.
  world_.members = {102};
  table_.MayBeEmpty(kJob, T0 + absl::Seconds(5));
  EXPECT_EQ(table_.next_wake(), T0 + absl::Seconds(5));
  EXPECT_EQ(table_.Tick(T0 + absl::Seconds(5)), absl::InfiniteDuration());
  EXPECT_EQ(signs_, 2);
  EXPECT_EQ(gone_count_, 0);
  // Not looked at again in the same second.
  world_.members.clear();
  table_.MayBeEmpty(kJob, T0 + absl::Seconds(5.1));
  EXPECT_EQ(table_.Tick(T0 + absl::Seconds(5.1)), T0 + absl::Seconds(6));
  EXPECT_EQ(world_.looks, 2);
  table_.Tick(T0 + absl::Seconds(6));
  EXPECT_EQ(world_.looks, 3);
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.killed_count, 0);
  EXPECT_EQ(table_.Find(kJob), nullptr);
  table_.MayBeEmpty(kJob, T0 + absl::Seconds(7));
}

TEST_F(ProcessTableTest, WhatShowsNoSignIsLookedAtAgain) {
  Add(true);
  world_.has_sign = false;
  EndProgram({101}, T0);
  EXPECT_EQ(signs_, 0);
  EXPECT_EQ(table_.next_wake(), T0 + absl::Seconds(1));
  world_.members.clear();
  table_.Tick(T0 + absl::Seconds(1));
  EXPECT_EQ(gone_count_, 1);
}

TEST_F(ProcessTableTest, OneThatHasEndedBeforeIsKnownByWhatIsLeft) {
  // A living one has its pid by now.
  Add(true);
  JobFacts facts;
  facts.id = kJob + 1;
  facts.pid = kPid;
  facts.started = true;
  FakeWorld other;
  ExitFacts exit;
  exit.code = 4;
  table_.AddEnded(facts, std::make_unique<FakeTree>(&other), T0, exit,
                  T0 + absl::Seconds(3));
  EXPECT_EQ(exited_, 1);
  EXPECT_EQ(exit_.code, 4);
  EXPECT_EQ(wall_, absl::Seconds(3));
  EXPECT_EQ(signs_, 1);
  ASSERT_NE(table_.FindByPid(kPid), nullptr);
  EXPECT_EQ(table_.FindByPid(kPid)->facts.id, kJob);
  EXPECT_TRUE(table_.EndTree(kJob + 1, absl::ZeroDuration(), T0).ok());
  EXPECT_EQ(other.kills, 1);
  EXPECT_EQ(world_.kills, 0);
  table_.Tick(T0 + absl::Seconds(4));
  EXPECT_EQ(gone_count_, 1);
  ASSERT_NE(table_.FindByPid(kPid), nullptr);
}

TEST_F(ProcessTableTest, EndTreeIsTermThenKill) {
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, {}, T0).ok());
  EXPECT_EQ(world_.signals, (std::vector<int>{SIGTERM, SIGCONT}));
  absl::Duration now = T0;
  absl::Duration killed_at;
  int turns = 0;
  for (; world_.kills == 0 && turns < 10'000; ++turns) {
    killed_at = now;
    now = table_.Tick(now);
  }
  EXPECT_LT(turns, 200) << "it is looked at more and more seldom";
  EXPECT_EQ(killed_at, T0 + kDefaultGrace);
  EXPECT_EQ(gone_count_, 0) << "the program is not waited for yet";
  EndProgram({}, killed_at);
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.killed_count, 0) << "the program itself does not count";
}

TEST_F(ProcessTableTest, TermThatSufficesEndsTheWait) {
  world_.dies_of_term = true;
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, {}, T0).ok());
  EndProgram({}, T0 + absl::Milliseconds(3));
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(world_.kills, 0);
}

TEST_F(ProcessTableTest, WhoWasBornWhileHisParentDiedGetsTermToo) {
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, {}, T0).ok());
  // The program died of TERM; a child that it had just made never got one.
  world_.orphans = {101};
  EndProgram({101}, T0 + absl::Milliseconds(1));
  const absl::Duration gone = AwaitGone(T0 + absl::Milliseconds(1));
  EXPECT_LT(gone, T0 + absl::Seconds(1)) << "the grace was not waited for";
  EXPECT_EQ(world_.kills, 0);
  EXPECT_EQ(gone_.killed_count, 0);
}

TEST_F(ProcessTableTest, ChildrenThatEndLaterAreAwaited) {
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, {}, T0).ok());
  EndProgram({101}, T0 + absl::Milliseconds(3));
  EXPECT_EQ(gone_count_, 0);
  world_.members.clear();
  EXPECT_LT(AwaitGone(T0 + absl::Milliseconds(3)), T0 + absl::Milliseconds(20));
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(world_.kills, 0);
}

TEST_F(ProcessTableTest, NoGraceIsKillAtOnce) {
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, absl::ZeroDuration(), T0).ok());
  EXPECT_TRUE(world_.signals.empty());
  EXPECT_EQ(world_.kills, 1);
}

TEST_F(ProcessTableTest, TimeoutIsAnEndAndIsTold) {
  Add(false, absl::Seconds(10));
  EXPECT_EQ(table_.next_wake(), T0 + absl::Seconds(10));
  table_.Tick(T0 + absl::Seconds(10));
  EXPECT_EQ(world_.signals.size(), 2u);
  EndProgram({}, T0 + absl::Seconds(11));
  EXPECT_TRUE(gone_.timed_out);
}

TEST_F(ProcessTableTest, TimeoutAfterTheEndIsNone) {
  Add(false, absl::Seconds(1));
  EndProgram({101}, T0 + absl::Milliseconds(500));
  table_.Tick(T0 + absl::Seconds(1));
  EXPECT_TRUE(world_.signals.empty());
  EXPECT_TRUE(table_.Finish(kJob, T0 + absl::Seconds(1)).ok());
  table_.Tick(T0 + absl::Seconds(2));
  EXPECT_FALSE(gone_.timed_out);
}

TEST_F(ProcessTableTest, WhoDoesNotDieOfKillIsReportedNotWaitedFor) {
  world_.dies_of_kill = false;
  Add();
  EXPECT_TRUE(table_.EndTree(kJob, absl::ZeroDuration(), T0).ok());
  EXPECT_EQ(AwaitGone(T0), T0 + kKillPatience);
  EXPECT_EQ(gone_count_, 1);
  EXPECT_EQ(gone_.survivor_count, 1);
  EXPECT_EQ(exited_, 0);
  EXPECT_EQ(table_.FindByPid(kPid), nullptr);
  EXPECT_EQ(table_.Tick(T0 + absl::Seconds(60)), absl::InfiniteDuration());
}

TEST_F(ProcessTableTest, WhoWasBornDuringTheKillIsKilledToo) {
  world_.dies_of_kill = false;
  Add();
  EndProgram({101}, T0);
  EXPECT_TRUE(table_.Finish(kJob, T0).ok());
  world_.members = {102};
  world_.dies_of_kill = true;
  AwaitGone(T0);
  EXPECT_EQ(gone_.killed_count, 2);
  EXPECT_EQ(gone_.survivor_count, 0);
}

}  // namespace
}  // namespace specula::agent
