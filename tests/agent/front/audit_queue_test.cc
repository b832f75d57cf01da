#include "agent/front/audit_queue.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "agent/front/call_audit.h"
#include "agent/slow_kinds.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/audit/testing.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
// Only a test that hangs takes it.
constexpr absl::Duration kLong = absl::Minutes(2);

// An audit log on a disk that may not answer.
class Disk {
 public:
  AuditQueue::Log Log() {
    auto shared = shared_;
    return {[shared](audit::Record record) {
              return shared->Append(std::move(record));
            },
            [shared](int64_t count, absl::string_view) {
              absl::MutexLock lock(&shared->mutex);
              shared->lines.push_back(absl::StrCat("lost ", count));
            },
            [shared] { return shared->Append({.rpc = "close"}); }};
  }

  ~Disk() { Set(Mode::kAnswers); }

  void Hang() { Set(Mode::kHangs); }
  void Fail() { Set(Mode::kFails); }
  void Answer() { Set(Mode::kAnswers); }

  void WaitUntilEntered() {
    const auto entered = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return shared_->entered;
    };
    absl::MutexLock lock(&shared_->mutex);
    shared_->mutex.Await(absl::Condition(&entered));
  }
  std::vector<std::string> Lines() {
    absl::MutexLock lock(&shared_->mutex);
    return shared_->lines;
  }
  void WaitForLines(size_t count) {
    const auto enough = [this, count]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return shared_->lines.size() >= count;
    };
    absl::MutexLock lock(&shared_->mutex);
    shared_->mutex.Await(absl::Condition(&enough));
  }

 private:
  enum class Mode { kAnswers, kHangs, kFails };

  struct Shared {
    absl::Status Append(audit::Record record) {
      absl::MutexLock lock(&mutex);
      entered = true;
      const auto answers = [this] { return mode != Mode::kHangs; };
      mutex.Await(absl::Condition(&answers));
      if (mode == Mode::kFails) return absl::ResourceExhaustedError("full");
      lines.push_back(record.stage == audit::Stage::kEnded
                          ? absl::StrCat("ended ", record.id, " ", record.error)
                          : record.rpc);
      return absl::OkStatus();
    }

    absl::Mutex mutex;
    Mode mode = Mode::kAnswers;
    bool entered = false;
    std::vector<std::string> lines;
  };

  void Set(Mode mode) {
    absl::MutexLock lock(&shared_->mutex);
    shared_->mode = mode;
    shared_->entered = false;
  }

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// The answer to one record.
class Answer {
 public:
  AuditQueue::Done Done() {
    auto shared = shared_;
    return [shared](const absl::Status& status) {
      shared->status = status;
      shared->come.Notify();  // dies of a second one
    };
  }
  bool come() const { return shared_->come.HasBeenNotified(); }
  absl::Status Wait() const {
    EXPECT_TRUE(shared_->come.WaitForNotificationWithTimeout(kLong));
    return shared_->status;
  }

 private:
  struct Shared {
    absl::Notification come;
    absl::Status status;
  };
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

class AuditQueueTest : public ::testing::Test {
 protected:
  ~AuditQueueTest() override { loop_.Stop(); }

  static SlowCalls::Options Options(absl::Duration limit) {
    SlowCalls::Options options = FrontSlowCalls();
    options.limit = limit;
    return options;
  }
  // One with a limit that is soon over, for what is given up.
  AuditQueue& Hasty() {
    hasty_.emplace(disk_.Log(), hasty_calls_, loop_);
    return *hasty_;
  }

  Disk disk_;
  EventLoop loop_;
  SlowCalls calls_{Options(kLong)};
  SlowCalls hasty_calls_{Options(absl::Milliseconds(50))};
  AuditQueue queue_{disk_.Log(), calls_, loop_};
  std::optional<AuditQueue> hasty_;
};

TEST_F(AuditQueueTest, RecordsAreWrittenInOrderAndAnsweredOnTheLoop) {
  absl::Notification come;
  queue_.Append({.rpc = "a"});
  queue_.AppendBefore({.rpc = "b"}, [&](const absl::Status& status) {
    EXPECT_THAT(status, IsOk());
    EXPECT_TRUE(loop_.OnLoop());
    EXPECT_THAT(disk_.Lines(), ElementsAre("a", "b"));
    come.Notify();
  });
  ASSERT_TRUE(come.WaitForNotificationWithTimeout(kLong));
  queue_.Append({.rpc = "c"});
  EXPECT_THAT(queue_.Close(kLong), IsOk());
  EXPECT_THAT(disk_.Lines(), ElementsAre("a", "b", "c", "close"));
  EXPECT_EQ(queue_.problem(), "");
}

TEST_F(AuditQueueTest, WhatCannotBeWrittenIsRefusedWithTheReason) {
  disk_.Fail();
  Answer answer;
  queue_.AppendBefore({.rpc = "a"}, answer.Done());
  EXPECT_THAT(answer.Wait(),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_EQ(queue_.problem(), "full: Exec, Start and Kill are refused");
  absl::Notification failed;
  queue_.Append({.rpc = "b"}, [&] { failed.Notify(); });
  ASSERT_TRUE(failed.WaitForNotificationWithTimeout(kLong));
  disk_.Answer();
  Answer again;
  queue_.AppendBefore({.rpc = "c"}, again.Done());
  EXPECT_THAT(again.Wait(), IsOk());
  EXPECT_EQ(queue_.problem(), "");
}

TEST_F(AuditQueueTest, ADiskThatHangsRefusesWhatIsAboutToHappen) {
  AuditQueue& queue = Hasty();
  disk_.Hang();
  Answer under_way, waiting;
  queue.AppendBefore({.id = "1", .rpc = "Exec"}, under_way.Done());
  disk_.WaitUntilEntered();
  queue.AppendBefore({.id = "2", .rpc = "never"}, waiting.Done());
  queue.Append({.rpc = "happened"});
  for (const Answer* answer : {&under_way, &waiting}) {
    EXPECT_THAT(answer->Wait(),
                StatusIs(kUnavailable, "the audit log does not answer"));
  }
  EXPECT_EQ(queue.problem(),
            "the audit log does not answer: Exec, Start and Kill are refused");
  EXPECT_THAT(disk_.Lines(), IsEmpty());

  disk_.Answer();
  disk_.WaitForLines(3);
  EXPECT_THAT(disk_.Lines(),
              ElementsAre("Exec", HasSubstr("ended 1 refused: "), "happened"));
  ASSERT_THAT(queue.Close(kLong), IsOk());
  EXPECT_EQ(queue.problem(), "");
  EXPECT_THAT(disk_.Lines(), Not(::testing::Contains("never")));
}

TEST_F(AuditQueueTest, NoMoreThanAThousandWaitAndTheRestIsCounted) {
  disk_.Hang();
  queue_.Append({.rpc = "first"});
  disk_.WaitUntilEntered();
  for (int i = 1; i < 1100; ++i) queue_.Append({.rpc = "happened"});
  // What is about to happen is refused before there is no room for the rest.
  Answer answer;
  queue_.AppendBefore({.rpc = "Exec"}, answer.Done());
  EXPECT_THAT(answer.Wait(),
              StatusIs(kUnavailable, "the audit log does not answer"));
  disk_.Answer();
  ASSERT_THAT(queue_.Close(kLong), IsOk());
  const std::vector<std::string> lines = disk_.Lines();
  ASSERT_EQ(lines.size(), 1024u + 2);
  EXPECT_EQ(lines[0], "first");
  EXPECT_EQ(lines[1], "lost 76");
  EXPECT_EQ(lines[1024], "happened");
}

TEST_F(AuditQueueTest, AnEndDoesNotWaitForADiskThatHangs) {
  disk_.Hang();
  Answer answer;
  {
    SlowCalls calls(Options(kLong));
    AuditQueue queue(disk_.Log(), calls, loop_);
    queue.AppendBefore({.rpc = "Exec"}, answer.Done());
    disk_.WaitUntilEntered();
    EXPECT_THAT(queue.Close(absl::Milliseconds(10)),
                StatusIs(kUnavailable, "the audit log does not answer"));
  }
  disk_.Answer();
  disk_.WaitForLines(1);
  EXPECT_FALSE(answer.come());
}

TEST_F(AuditQueueTest, ALogThatHungIsIntactAndTruthful) {
  const TempDirectory directory;
  const std::string path = directory.Path("audit.log");
  std::shared_ptr<audit::Writer> writer = *audit::Writer::Open(path, "1");
  AuditQueue::Log log = AuditQueue::LogOf(writer);
  const AuditQueue::Log disk = disk_.Log();
  log.append = [disk, writer](audit::Record record) {
    disk.append({}).IgnoreError();
    return writer->Append(std::move(record));
  };
  SlowCalls calls(Options(absl::Milliseconds(50)));
  AuditQueue queue(log, calls, loop_);
  disk_.Hang();
  CallAudit call(queue, "Exec", Caller{}, "", "peer");
  v1::Command command;
  command.set_shell("id");
  Answer answer;
  loop_.Post([&] { call.Started(command, answer.Done()); });
  EXPECT_THAT(answer.Wait(),
              StatusIs(kUnavailable,
                       "refused, as the audit log of this host cannot be "
                       "written: the audit log does not answer"));
  absl::Notification ended;
  loop_.Post([&] {
    call.Ended(absl::CancelledError(), 0);  // of what has not begun
    ended.Notify();
  });
  ended.WaitForNotification();
  disk_.Answer();
  disk_.WaitForLines(2);
  ASSERT_THAT(queue.Close(kLong), IsOk());
  const std::vector<std::string> lines = audit::LinesOf(path);
  ASSERT_EQ(lines.size(), 4u);  // the first opens it, the last closes it
  EXPECT_THAT(lines[1], HasSubstr("\"stage\":\"started\""));
  EXPECT_THAT(lines[2], HasSubstr("\"stage\":\"ended\""));
  EXPECT_THAT(lines[2], HasSubstr("nothing was done"));
  EXPECT_EQ(audit::Finding(audit::VerifyTexts({audit::Read(path)})), "intact");
}

}  // namespace
}  // namespace specula::agent
