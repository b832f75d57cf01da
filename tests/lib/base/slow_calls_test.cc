#include "lib/base/slow_calls.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/unique_fd.h"
#include "tests/lib/base/sanitizers.h"

namespace specula {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// What no call of a test takes.
constexpr absl::Duration kLong = absl::Minutes(2);
// For those that are given up, and beside them none that must not be.
constexpr absl::Duration kShort = absl::Milliseconds(50);
// For those that are given up, and enough for those that are not.
constexpr absl::Duration kFair = absl::Seconds(3);

SlowCalls::Options With(absl::Duration limit, int most_stuck) {
  return {.kinds = {{.lane = 0, .most_stuck = most_stuck}},
          .limit = limit,
          .patience = absl::Milliseconds(5)};
}

// A pipe that a call reads from, as one that is stuck in the kernel.
class Stuck {
 public:
  Stuck() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    reader_ = std::make_shared<UniqueFd>(ends[0]);
    writer_.Reset(ends[1]);
  }
  // Blocks until Release; then the callers go on.
  std::function<SlowCalls::Apply()> Call(SlowCalls::Apply apply = nullptr) {
    return [reader = reader_, entered = entered_, apply] {
      entered->fetch_add(1);
      char byte = 0;
      while (read(reader->get(), &byte, 1) > 0) {
      }
      return apply;
    };
  }
  void Release() { writer_.Reset(); }
  void WaitUntilEntered() const {
    while (*entered_ == 0) absl::SleepFor(absl::Milliseconds(1));
  }
  // Whether no thread holds the pipe any more.
  void WaitUntilForgotten() {
    std::weak_ptr<UniqueFd> left = reader_;
    reader_.reset();
    while (!left.expired()) absl::SleepFor(absl::Milliseconds(1));
  }

 private:
  std::shared_ptr<UniqueFd> reader_;
  UniqueFd writer_;
  std::shared_ptr<std::atomic<int>> entered_ =
      std::make_shared<std::atomic<int>>(0);
};

// The end of one Run.
class Result {
 public:
  SlowCalls::Done Done() {
    return [this](std::vector<std::string> stuck) {
      std::sort(stuck.begin(), stuck.end());
      absl::MutexLock lock(&mutex_);
      ++times_;
      stuck_ = std::move(stuck);
    };
  }
  std::vector<std::string> Wait() {
    absl::MutexLock lock(&mutex_);
    // The analysis does not see that Await holds the lock for the condition.
    auto is_done = [this]()
                       ABSL_NO_THREAD_SAFETY_ANALYSIS { return times_ > 0; };
    mutex_.Await(absl::Condition(&is_done));
    EXPECT_EQ(times_, 1);
    return stuck_;
  }
  int times() {
    absl::MutexLock lock(&mutex_);
    return times_;
  }

 private:
  absl::Mutex mutex_;
  int times_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> stuck_ ABSL_GUARDED_BY(mutex_);
};

std::vector<std::string> RunAndWait(SlowCalls& slow,
                                    std::vector<SlowCalls::Call> calls) {
  Result result;
  slow.Run(std::move(calls), result.Done());
  return result.Wait();
}

// Until a call with `key` comes in time; hangs if that is never.
void RunUntilFine(SlowCalls& slow, const std::string& key) {
  while (!RunAndWait(slow, {{0, key, [] { return nullptr; }}}).empty()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
}

// Sets a number when it is applied.
std::function<SlowCalls::Apply()> Sets(std::atomic<int>* number, int value) {
  return [=] { return [=] { *number = value; }; };
}

TEST(SlowCallsTest, EveryCallIsAppliedBeforeDone) {
  SlowCalls slow(With(kLong, 8));
  std::atomic<int> a = 0, b = 0;
  int seen_a = 0, seen_b = 0;
  absl::Notification done;
  slow.Run({{0, "a", Sets(&a, 1)}, {0, "b", Sets(&b, 2)}},
           [&](const std::vector<std::string>& stuck) {
             EXPECT_THAT(stuck, IsEmpty());
             seen_a = a;
             seen_b = b;
             done.Notify();
           });
  done.WaitForNotification();
  EXPECT_EQ(seen_a, 1);
  EXPECT_EQ(seen_b, 2);
}

TEST(SlowCallsTest, NothingToCallIsDoneAtOnce) {
  SlowCalls slow(With(kLong, 8));
  Result result;
  slow.Run({}, result.Done());
  EXPECT_EQ(result.times(), 1);
  EXPECT_THAT(result.Wait(), IsEmpty());
}

TEST(SlowCallsTest, ACallMayGiveNothingBack) {
  SlowCalls slow(With(kLong, 8));
  EXPECT_THAT(RunAndWait(slow, {{0, "a", [] { return nullptr; }}}), IsEmpty());
}

TEST(SlowCallsTest, CallsRunSideBySide) {
  SlowCalls slow(With(kLong, 8));
  absl::Notification first, second;
  EXPECT_THAT(RunAndWait(slow, {{0, "a",
                                 [&]() -> SlowCalls::Apply {
                                   first.Notify();
                                   second.WaitForNotification();
                                   return nullptr;
                                 }},
                                {0, "b",
                                 [&]() -> SlowCalls::Apply {
                                   first.WaitForNotification();
                                   second.Notify();
                                   return nullptr;
                                 }}}),
              IsEmpty());
}

TEST(SlowCallsTest, AStuckCallIsGivenUpAndTheOthersCount) {
  Stuck pipe;
  std::atomic<int> late = 0, fine = 0;
  SlowCalls slow(With(kFair, 8));
  EXPECT_THAT(RunAndWait(slow, {{0, "dead", pipe.Call([&] { late = 1; })},
                                {0, "fine", Sets(&fine, 1)}}),
              ElementsAre("dead"));
  EXPECT_EQ(fine, 1);
  // What comes back later is thrown away.
  pipe.Release();
  pipe.WaitUntilForgotten();
  EXPECT_EQ(late, 0);
}

TEST(SlowCallsTest, WhatCannotHangIsRunAtOnceByWhoAsks) {
  SlowCalls slow(SlowCalls::Options{});
  std::vector<std::string> order;
  const auto call = [&](const char* name, bool at_once) {
    return SlowCalls::Call{0, name,
                           [&order, name]() -> SlowCalls::Apply {
                             return [&order, name] { order.push_back(name); };
                           },
                           at_once};
  };
  bool done = false;
  slow.Run({call("a", true), call("b", true)},
           [&](const std::vector<std::string>& stuck) {
             EXPECT_TRUE(stuck.empty());
             done = true;
           });
  // Before Run returns, and although nothing waits for another thread.
  EXPECT_TRUE(done);
  EXPECT_THAT(order, ::testing::ElementsAre("a", "b"));
  order.clear();
  absl::Notification all;
  slow.Run({call("slow", false), call("quick", true), call("slower", false)},
           [&](const std::vector<std::string>&) { all.Notify(); });
  all.WaitForNotification();
  EXPECT_THAT(order, ::testing::ElementsAre("quick", "slow", "slower"));
}

TEST(SlowCallsTest, AKeyThatIsOutIsRefusedAtOnceAndWorksAgainLater) {
  Stuck pipe;
  SlowCalls slow(With(kFair, 8));
  ASSERT_THAT(RunAndWait(slow, {{0, "dead", pipe.Call()}}),
              ElementsAre("dead"));
  std::atomic<int> runs = 0;
  auto count = [&]() -> SlowCalls::Apply {
    ++runs;
    return nullptr;
  };
  {
    // Nothing to wait for: done before Run returns.
    Result result;
    slow.Run({{0, "dead", count}}, result.Done());
    EXPECT_EQ(result.times(), 1);
    EXPECT_THAT(result.Wait(), ElementsAre("dead"));
  }
  std::atomic<int> fine = 0;
  EXPECT_THAT(
      RunAndWait(slow, {{0, "dead", count}, {0, "fine", Sets(&fine, 1)}}),
      ElementsAre("dead"));
  EXPECT_EQ(fine, 1) << "other keys are unaffected";
  EXPECT_EQ(runs, 0) << "what is refused is not run, not even later";
  pipe.Release();
  // The thread that was stuck comes back in its own time.
  while (!RunAndWait(slow, {{0, "dead", count}}).empty()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_GE(runs, 1);
  const int before = runs;
  EXPECT_THAT(RunAndWait(slow, {{0, "dead", count}}), IsEmpty());
  EXPECT_EQ(runs, before + 1);
}

TEST(SlowCallsTest, CallsOfOneKeyRunOneAfterTheOtherAndAllSucceed) {
  SlowCalls slow(With(kLong, 8));
  constexpr int kRuns = 50;
  std::atomic<int> now = 0, most = 0, ran = 0, applied = 0;
  auto call = [&]() -> SlowCalls::Apply {
    const int beside = ++now;
    if (beside > most) most = beside;
    absl::SleepFor(absl::Microseconds(200));
    --now;
    ++ran;
    return [&] { ++applied; };
  };
  std::vector<std::unique_ptr<Result>> results;
  std::vector<std::thread> threads;
  for (int i = 0; i < kRuns; ++i) {
    results.push_back(std::make_unique<Result>());
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < kRuns; i += 2) {
        slow.Run({{0, "same", call}}, results[i]->Done());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& result : results) EXPECT_THAT(result->Wait(), IsEmpty());
  EXPECT_EQ(ran, kRuns);
  EXPECT_EQ(applied, kRuns);
  EXPECT_EQ(most, 1);
}

TEST(SlowCallsTest, WhoWaitsBehindAStuckCallIsGivenUpToo) {
  Stuck pipe;
  SlowCalls slow(With(absl::Milliseconds(200), 8));
  Result first, second;
  std::atomic<int> ran = 0;
  slow.Run({{0, "dead", pipe.Call()}}, first.Done());
  pipe.WaitUntilEntered();
  slow.Run({{0, "dead",
             [&]() -> SlowCalls::Apply {
               ++ran;
               return nullptr;
             }}},
           second.Done());
  EXPECT_THAT(first.Wait(), ElementsAre("dead"));
  EXPECT_THAT(second.Wait(), ElementsAre("dead"));
  pipe.Release();
  std::atomic<int> fine = 0;
  while (!RunAndWait(slow, {{0, "dead", Sets(&fine, 1)}}).empty()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(fine, 1);
  EXPECT_EQ(ran, 0) << "nobody waits for it any more";
}

TEST(SlowCallsTest, OneDeadKeyCostsOneThread) {
  // Two threads: if a dead key could take both, "fine" would never run.
  Stuck pipe;
  SlowCalls slow(With(kShort, 2));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(RunAndWait(slow, {{0, "dead", pipe.Call()}}),
                ElementsAre("dead"));
  }
  SlowCalls patient(With(kLong, 2));
  std::vector<std::unique_ptr<Result>> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.push_back(std::make_unique<Result>());
    patient.Run({{0, "dead", pipe.Call()}}, waiting.back()->Done());
  }
  EXPECT_THAT(RunAndWait(patient, {{0, "fine", [] { return nullptr; }}}),
              IsEmpty());
  pipe.Release();
  for (auto& result : waiting) EXPECT_THAT(result->Wait(), IsEmpty());
}

TEST(SlowCallsTest, WithoutAFreeThreadCallsAreGivenUpAndThenGoOn) {
  Stuck pipe;
  SlowCalls slow(With(kShort, 2));
  EXPECT_THAT(RunAndWait(slow, {{0, "a", pipe.Call()},
                                {0, "b", pipe.Call()},
                                {0, "c", [] { return nullptr; }}}),
              ElementsAre("a", "b", "c"));
  pipe.Release();
  for (const char* key : {"a", "b", "c"}) {
    RunUntilFine(slow, key);
  }
}

TEST(SlowCallsTest, EachBatchHasItsOwnTime) {
  // The watchdog sleeps and is used again.
  Stuck pipe;
  SlowCalls slow(With(kShort, 8));
  for (int round = 0; round < 3; ++round) {
    const std::string key = "dead" + std::to_string(round);
    EXPECT_THAT(RunAndWait(slow, {{0, key, pipe.Call()}}), ElementsAre(key));
    RunUntilFine(slow, "fine");
  }
  pipe.Release();
}

TEST(SlowCallsTest, ACallThatReturnsAtItsDeadlineLeavesItsKeyUsable) {
  constexpr absl::Duration kLimit = absl::Milliseconds(2);
  SlowCalls slow(With(kLimit, 2));
  for (int i = 0; i < 300; ++i) {
    RunAndWait(slow, {{0, "edge", [&]() -> SlowCalls::Apply {
                         absl::SleepFor(kLimit - absl::Microseconds(150 - i));
                         return nullptr;
                       }}});
    RunUntilFine(slow, "edge");
  }
}

TEST(SlowCallsTest, DoneMayRunTheNext) {
  SlowCalls slow(With(kLong, 2));
  Result result;
  slow.Run({{0, "a", [] { return nullptr; }}}, [&](std::vector<std::string>) {
    slow.Run({{0, "a", [] { return nullptr; }}}, result.Done());
  });
  EXPECT_THAT(result.Wait(), IsEmpty());
}

TEST(SlowCallsTest, DestructionWhileACallIsOutIsSafe) {
  Stuck pipe;
  auto touched = std::make_unique<int>(0);
  auto slow = std::make_unique<SlowCalls>(With(kLong, 8));
  slow->Run({{0, "out", pipe.Call([&] { *touched = 1; })}},
            [&](std::vector<std::string>) { *touched = 2; });
  pipe.WaitUntilEntered();
  slow.reset();
  touched.reset();
  pipe.Release();
  pipe.WaitUntilForgotten();  // a sanitizer tells of any touch
}

TEST(SlowCallsTest, DestructionWaitsForADoneThatRuns) {
  for (const bool stuck : {false, true}) {
    Stuck pipe;
    absl::Notification running;
    std::atomic<bool> ended = false;
    auto slow = std::make_unique<SlowCalls>(With(stuck ? kShort : kLong, 8));
    slow->Run({{0, "a", stuck ? pipe.Call() : [] { return nullptr; }}},
              [&](std::vector<std::string>) {
                running.Notify();
                absl::SleepFor(absl::Milliseconds(100));
                ended = true;
              });
    running.WaitForNotification();
    slow.reset();
    EXPECT_TRUE(ended);
  }
}

TEST(SlowCallsTest, DestructionForgetsWhatWaits) {
  Stuck pipe;
  auto slow = std::make_unique<SlowCalls>(With(kLong, 1));
  Result result;
  std::atomic<int> ran = 0;
  auto count = [&]() -> SlowCalls::Apply {
    ++ran;
    return nullptr;
  };
  slow->Run({{0, "a", pipe.Call()}, {0, "b", count}}, result.Done());
  slow->Run({{0, "a", count}}, result.Done());
  pipe.WaitUntilEntered();
  slow.reset();
  pipe.Release();
  pipe.WaitUntilForgotten();
  EXPECT_EQ(result.times(), 0);
  EXPECT_EQ(ran, 0);
}

// Two kinds in one lane, of which each may keep two threads.
SlowCalls::Options TwoKinds(absl::Duration limit) {
  SlowCalls::Options options = With(limit, 2);
  options.kinds.push_back(options.kinds[0]);
  return options;
}

TEST(SlowCallsTest, TroubleOfOneKindTakesNoThreadFromAnother) {
  Stuck pipe;
  SlowCalls slow(TwoKinds(absl::Milliseconds(500)));
  std::vector<SlowCalls::Call> dead;
  for (int i = 0; i < 9; ++i) {
    dead.push_back({0, absl::StrCat("dead", i), pipe.Call()});
  }
  std::atomic<int> fine = 0;
  dead.push_back({1, "fine", Sets(&fine, 1)});
  EXPECT_EQ(RunAndWait(slow, std::move(dead)).size(), 9u);
  EXPECT_EQ(fine, 1);
  // All of its threads are gone by now, which is known at once.
  EXPECT_THAT(RunAndWait(slow, {{0, "other", [] { return nullptr; }}}),
              ElementsAre("other"));
  EXPECT_THAT(RunAndWait(slow, {{1, "fine", [] { return nullptr; }}}),
              IsEmpty());
  pipe.Release();
}

TEST(SlowCallsTest, RunsOfOneLaneTakeTurns) {
  absl::Notification begun, go;
  std::atomic<int> ran = 0;
  Result first, second;
  std::vector<SlowCalls::Call> many;
  many.push_back({0, "first", [&]() -> SlowCalls::Apply {
                    begun.Notify();
                    go.WaitForNotification();
                    return nullptr;
                  }});
  for (int i = 0; i < 100; ++i) {
    many.push_back({0, absl::StrCat(i), [&]() -> SlowCalls::Apply {
                      ++ran;
                      return nullptr;
                    }});
  }
  SlowCalls::Options patient = With(kLong, 8);
  patient.patience = kLong;
  SlowCalls one_hand(patient);
  one_hand.Run(std::move(many), first.Done());
  begun.WaitForNotification();
  int before = -1;
  one_hand.Run({{0, "short",
                 [&]() -> SlowCalls::Apply {
                   before = ran;
                   return nullptr;
                 }}},
               second.Done());
  go.Notify();
  second.Wait();
  first.Wait();
  EXPECT_LE(before, 2) << "it did not wait for all hundred";
}

TEST(SlowCallsTest, WhatIsStartedRunsHoweverLateItIs) {
  Stuck pipe;
  SlowCalls slow(With(kShort, 1));
  absl::Notification late, ended, next;
  std::atomic<int> times = 0;
  slow.Start({0, "a",
              [&, call = pipe.Call()]() -> SlowCalls::Apply {
                call();
                ended.Notify();
                return nullptr;
              }},
             [&] {
               ++times;
               late.Notify();
             });
  late.WaitForNotification();
  EXPECT_FALSE(ended.HasBeenNotified());
  // Neither of the same key nor of another is dropped.
  slow.Start({0, "b",
              [&]() -> SlowCalls::Apply {
                next.Notify();
                return nullptr;
              }},
             nullptr);
  pipe.Release();
  ended.WaitForNotification();
  next.WaitForNotification();
  EXPECT_EQ(times, 1);
}

TEST(SlowCallsTest, ALongLineThatMovesIsWaitedFor) {
  SlowCalls slow(With(kShort, 2));
  std::vector<std::unique_ptr<Result>> results;
  std::vector<SlowCalls::Call> many;
  // Together they take many times the limit, of one key as of one Run.
  for (int i = 0; i < 200; ++i) {
    auto nap = []() -> SlowCalls::Apply {
      absl::SleepFor(absl::Milliseconds(1));
      return nullptr;
    };
    many.push_back({0, absl::StrCat(i), nap});
    results.push_back(std::make_unique<Result>());
    slow.Run({{0, "same", nap}}, results.back()->Done());
  }
  EXPECT_THAT(RunAndWait(slow, std::move(many)), IsEmpty());
  for (const auto& result : results) EXPECT_THAT(result->Wait(), IsEmpty());
}

int ThreadsOfThisProcess() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

TEST(SlowCallsTest, ThreadsThatCameBackAreGivenUp) {
  const int before = ThreadsOfThisProcess();
  SlowCalls slow(With(kShort, 8));
  {
    Stuck pipe;
    std::vector<SlowCalls::Call> dead;
    for (int i = 0; i < 8; ++i)
      dead.push_back({0, absl::StrCat("dead", i), pipe.Call()});
    RunAndWait(slow, std::move(dead));
    EXPECT_GE(ThreadsOfThisProcess(), before + 2);
    pipe.Release();
    pipe.WaitUntilForgotten();
  }
  // One hand and the watchdog; and what this test's own threads were.
  while (ThreadsOfThisProcess() > before + 2) {
    RunUntilFine(slow, "fine");
    absl::SleepFor(absl::Milliseconds(1));
  }
}

TEST(SlowCallsTest, AChildThatIsForkedWhileItIsStillCanUseLocks) {
  if (specula::testing::kForksMayHang)
    GTEST_SKIP() << "AddressSanitizer does not survive a fork beside threads";
  SlowCalls slow(With(kLong, 8));
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    for (int i = 0; !stop; ++i) {
      RunAndWait(slow, {{0, absl::StrCat(i % 7), [] {
                           absl::SleepFor(absl::Microseconds(50));
                           return nullptr;
                         }}});
    }
  });
  for (int i = 0; i < 30; ++i) {
    pid_t child = -1;
    slow.WhileStill([&] {
      child = fork();
      if (child != 0) return;
      SlowCalls own(With(kLong, 2));
      const bool fine =
          RunAndWait(own, {{0, "a", [] { return nullptr; }}}).empty();
      _exit(fine ? 0 : 1);
    });
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
}

}  // namespace
}  // namespace specula
