// What hangs costs a thread and not the loop.

#include "agent/broker/off_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "agent/broker/environment.h"
#include "agent/broker/exec_ids.h"
#include "agent/broker/given_up.h"
#include "agent/broker/spawn.h"
#include "lib/base/clock.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

// A call waits for it as for a dead file server.
using Gate = std::shared_ptr<absl::Notification>;
Gate MakeGate() { return std::make_shared<absl::Notification>(); }

class OffLoopTest : public ::testing::Test {
 protected:
  OffLoopTest() : off_loop_(std::make_unique<OffLoop>(loop_.get())) {}

  // Serves the loop until `stop` was called.
  void Run() { loop_->Run(); }
  std::function<void()> Stop() {
    return [this] { loop_->Stop(); };
  }

  std::unique_ptr<Loop> loop_ = *Loop::Create();
  std::unique_ptr<OffLoop> off_loop_;
};

TEST_F(OffLoopTest, PostedTasksRunInTheLoopInTheirOrder) {
  std::string order;
  std::thread::id ran_in;
  std::thread other([&] {
    for (char name = 'a'; name <= 'z'; ++name) {
      loop_->Post([&, name] {
        ran_in = std::this_thread::get_id();
        order += name;
        if (name == 'z') loop_->Stop();
      });
    }
  });
  Run();
  other.join();
  EXPECT_EQ(order, "abcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(ran_in, std::this_thread::get_id());
  // One that posts again is served in the next turn.
  int turns = 0;
  std::function<void()> again = [&] {
    if (++turns == 100) return loop_->Stop();
    loop_->Post(again);
  };
  loop_->Post(again);
  EXPECT_EQ(turns, 0);
  Run();
  EXPECT_EQ(turns, 100);
}

TEST_F(OffLoopTest, WhatIsFoundComesBack) {
  const Found<std::string> a, b;
  bool done = false;
  off_loop_->Run({{MayHang::kUsers, "a", [a] { a.Set("A"); }},
                  {MayHang::kState, "b", [b] { b.Set("B"); }}},
                 [&] {
                   done = true;
                   loop_->Stop();
                 });
  EXPECT_FALSE(done);
  Run();
  EXPECT_EQ(a.Take(), "A");
  EXPECT_EQ(b.Take(), "B");
}

TEST_F(OffLoopTest,
       LoopGoesOnWhileACallHangsAndWhatComesLateGoesAwayOverThere) {
  const Gate gate = MakeGate();
  // Says in which thread it went away.
  const auto gone = std::make_shared<std::optional<std::thread::id>>();
  const auto seen = std::make_shared<absl::Notification>();
  const Found<std::shared_ptr<int>> late;
  const Found<int> quick;
  int done = 0;
  const auto count = [&] {
    if (++done == 3) loop_->Stop();
  };
  off_loop_->Run({{MayHang::kFiles, "dead",
                   [=] {
                     gate->WaitForNotification();
                     late.Set(std::shared_ptr<int>(new int(1), [=](int* it) {
                       delete it;
                       *gone = std::this_thread::get_id();
                       seen->Notify();
                     }));
                   }},
                  {MayHang::kFiles, "alive", [=] { quick.Set(7); }}},
                 count);
  off_loop_->Run({{MayHang::kFiles, "another", [] {}}}, count);
  off_loop_->Run({{MayHang::kUsers, "user", [] {}}}, count);
  Run();
  EXPECT_EQ(quick.Take(), 7);
  EXPECT_EQ(late.Take(), std::nullopt);

  // The next one is refused without waiting, and takes no second thread.
  bool ran = false;
  off_loop_->Run({{MayHang::kFiles, "dead", [&] { ran = true; }}}, Stop());
  Run();
  EXPECT_FALSE(ran);
  gate->Notify();
  seen->WaitForNotification();
  EXPECT_NE(*gone, std::this_thread::get_id());
}

TEST_F(OffLoopTest, SureCallIsDoneThoughItWasLate) {
  const Gate gate = MakeGate();
  const Gate written = MakeGate();
  int said = 0;
  off_loop_->RunSurely(
      {MayHang::kState, "state", [=] { gate->WaitForNotification(); }},
      [&] { ++said; });
  // In line behind the one that hangs.
  off_loop_->RunSurely({MayHang::kState, "state", [=] { written->Notify(); }},
                       [&] {
                         ++said;
                         loop_->Stop();
                       });
  Run();
  EXPECT_EQ(said, 2);
  EXPECT_FALSE(written->HasBeenNotified());
  gate->Notify();
  written->WaitForNotification();
  // Nothing is said twice.
  off_loop_->RunSurely({MayHang::kState, "state", [] {}}, Stop());
  Run();
  EXPECT_EQ(said, 2);
}

TEST_F(OffLoopTest, DescriptorsAreClosedOverThere) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  {
    const auto held = off_loop_->Held(UniqueFd(ends[1]));
    const auto copy = held;
    EXPECT_EQ(held->get(), ends[1]);
  }
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0);
  EXPECT_TRUE(
      WaitFor([&] { return off_loop_->closing() == 0; }, absl::Minutes(1)));
}

TEST_F(OffLoopTest, HangingClosesAreCountedAndDoNotHoldUpOpens) {
  const Gate gate = MakeGate();
  off_loop_ = std::make_unique<OffLoop>(
      loop_.get(), [gate](MayHang kind, const std::string&) {
        if (kind == MayHang::kClosing) gate->WaitForNotification();
      });
  constexpr size_t kMany = 200;  // more than threads
  for (size_t i = 0; i < kMany; ++i) off_loop_->Close(UniqueFd(dup(2)));
  EXPECT_EQ(off_loop_->closing(), kMany);
  const Found<int> file;
  off_loop_->Run({{MayHang::kFiles, "file", [file] { file.Set(1); }}}, Stop());
  Run();
  EXPECT_EQ(file.Take(), 1);
  gate->Notify();
  EXPECT_TRUE(
      WaitFor([&] { return off_loop_->closing() == 0; }, absl::Minutes(1)));
}

TEST_F(OffLoopTest, CallThatOutlivesItTouchesNothingOfIt) {
  const Gate begun = MakeGate();
  const Gate gate = MakeGate();
  const Gate over = MakeGate();
  bool said = false;
  off_loop_->RunSurely({MayHang::kState, "state",
                        [=] {
                          begun->Notify();
                          gate->WaitForNotification();
                          over->Notify();
                        }},
                       [&] { said = true; });
  // One that has not begun is forgotten.
  begun->WaitForNotification();
  off_loop_.reset();
  loop_.reset();
  gate->Notify();
  over->WaitForNotification();
  EXPECT_FALSE(said);
}

TEST_F(OffLoopTest, ForksWhileACallHangs) {
  const Gate gate = MakeGate();
  off_loop_->Run(
      {{MayHang::kFiles, "dead", [=] { gate->WaitForNotification(); }}}, [] {});
  for (int i = 0; i < 20; ++i) {
    pid_t pid = -1;
    off_loop_->Run({{MayHang::kUsers, absl::StrCat(i), [] {}}}, [] {});
    off_loop_->Fork([&] {
      pid = fork();
      // Allocates and locks, as a front does.
      if (pid == 0) _exit(Loop::Create().ok() ? 0 : 1);
    });
    int status = -1;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  gate->Notify();
}

TEST_F(OffLoopTest, EnvironmentThatHangsIsWaitedForOnce) {
  const Gate gate = MakeGate();
  const auto calls = std::make_shared<std::atomic<int>>(0);
  // This process, and one more that hangs.
  ProcStat self;
  self.pid = getpid();
  ProcStat stuck;
  stuck.pid = 1;
  stuck.start_ticks = 7;
  off_loop_ = std::make_unique<OffLoop>(loop_.get(),
                                        [=](MayHang, const std::string& key) {
                                          if (key != "1.7") return;
                                          ++*calls;
                                          gate->WaitForNotification();
                                        });
  const pid_t child = fork();
  if (child == 0) {
    setenv(kExecIdVariable, "marked", 1);
    execl("/bin/sleep", "sleep", "1000", nullptr);
    _exit(1);
  }
  self.pid = child;
  ExecIds ids(off_loop_.get());
  const auto found = [&] { return ids.Read({stuck, self, self}); };
  EXPECT_TRUE(
      WaitFor([&] { return found().count(child) > 0; }, absl::Minutes(1)));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(
        WaitFor([&] { return found().count(child) > 0; }, absl::Minutes(1)));
  }
  EXPECT_EQ(*calls, 1);
  gate->Notify();
  // When it has answered it is asked again.
  EXPECT_TRUE(WaitFor(
      [&] {
        found();
        return *calls > 1;
      },
      absl::Minutes(1)));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(GivenUpTest, ChildThatDoesNotDieAtOnceIsKeptUntilItHas) {
  auto loop = *Loop::Create();
  GivenUp given_up(loop.get());
  SpawnPlan plan;
  plan.argv = plan.programs = {"/bin/sleep", "1000"};
  plan.programs.resize(1);
  plan.directory = "/";
  given_up.Take(nullptr);
  auto child = Spawning::Launch(plan, {}, {});
  ASSERT_TRUE(child.ok());
  const pid_t pid = (*child)->pid();
  given_up.Take(*std::move(child));
  loop->At(MonotonicNow() + absl::Milliseconds(50), [&] { loop->Stop(); });
  loop->Run();
  // Killed unless its exec came first.
  if (waitpid(pid, nullptr, WNOHANG) == 0) {
    kill(pid, SIGKILL);
    EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  }
}

}  // namespace
}  // namespace specula::agent
