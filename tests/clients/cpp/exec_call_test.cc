#include "clients/cpp/exec_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "clients/cpp/call_status.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using ::testing::ElementsAre;

class ExecCallTest : public ::testing::Test {
 protected:
  // What came of one call.
  struct Record {
    std::mutex mutex;
    std::vector<std::string> events;
    std::string out;
    std::string err;
    std::atomic<int> chunks{0};
    absl::Status status;
    absl::Notification finished;
  };

  std::shared_ptr<ExecCall> Make(const std::shared_ptr<Record>& record,
                                 const Endpoint& endpoint,
                                 const StreamOptions& options = Patient()) {
    auto call = std::make_shared<std::shared_ptr<ExecCall>>();
    auto say = [record](std::string what) {
      std::lock_guard<std::mutex> lock(record->mutex);
      record->events.push_back(std::move(what));
    };
    auto take = [this, record, call](std::string ExecCallTest::Record::*to,
                                     std::string bytes) {
      {
        std::lock_guard<std::mutex> lock(record->mutex);
        ((*record).*to) += bytes;
      }
      ++record->chunks;
      if (read_on_) (*call)->Continue();
    };
    ExecEvents events;
    events.started = [say](const v1::ExecStarted& started) {
      say("started " + std::to_string(started.pid()));
    };
    events.output = [take](std::string b) { take(&Record::out, std::move(b)); };
    events.error_output = [take](std::string b) {
      take(&Record::err, std::move(b));
    };
    events.exited = [say](const v1::ExecExited& exited) {
      say("exited " + std::to_string(exited.code()));
    };
    events.finished = [say, record, call](const absl::Status& status) {
      say("finished");
      record->status = status;
      call->reset();
      record->finished.Notify();
    };
    *call = ExecCall::Create(MakeChannel(endpoint, pki_.Load("operator")),
                             v1::ExecRequest(), options, events);
    return *call;
  }

  static StreamOptions Patient() { return {.answer_within = kHangLimit}; }

  const Pki pki_;
  FakeAgent agent_{pki_};
  std::atomic<bool> read_on_{true};
};

TEST_F(ExecCallTest, EventsComeInOrderAndBytesExactly) {
  std::mt19937_64 random(7);
  std::string big(3'000'000, '\0');
  for (char& c : big) c = static_cast<char>(random());
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started(99);
    script.Stdout(big);
    script.Stderr("oops");
    script.Stdout("");
    script.Stdout("end");
    script.Code(3);
    return grpc::Status::OK;
  };
  auto record = std::make_shared<Record>();
  Make(record, agent_.endpoint())->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(record->status.ok()) << record->status;
  EXPECT_TRUE(record->out == big + "end");
  EXPECT_EQ(record->err, "oops");
  EXPECT_THAT(record->events,
              ElementsAre("started 99", "exited 3", "finished"));
}

TEST_F(ExecCallTest, NothingIsReadWhileTheConsumerHasNotTakenTheLast) {
  std::atomic<int> written{0};
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    for (int i = 0; i < 400 && script.Stdout(std::string(256 << 10, 'x'));
         ++i) {
      ++written;
    }
    script.Code(0);
    return grpc::Status::OK;
  };
  read_on_ = false;
  auto record = std::make_shared<Record>();
  const std::shared_ptr<ExecCall> call = Make(record, agent_.endpoint());
  call->Start();
  ASSERT_TRUE(Eventually([&] { return record->chunks == 1; }));
  // Until the agent cannot write any more, which is what is to be seen.
  int before = -1;
  while (before != written) {
    before = written;
    absl::SleepFor(absl::Milliseconds(500));
  }
  EXPECT_EQ(record->chunks, 1);
  EXPECT_LT(written, 100);  // a few MiB of windows and sockets
  read_on_ = true;
  call->Continue();
  record->finished.WaitForNotification();
  EXPECT_EQ(record->chunks, 400);
  EXPECT_EQ(record->out.size(), 400U * (256 << 10));
}

TEST_F(ExecCallTest, FastReaderThatFallsAsleepLetsNoMorePileUp) {
  constexpr int kChunkBytes = 256 << 10;
  constexpr int kFast = 2'000;  // a window that grows has grown by then
  std::atomic<int> written{0};
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    while (script.Stdout(std::string(kChunkBytes, 'x'))) ++written;
    return grpc::Status::CANCELLED;
  };
  std::atomic<int> read{0};
  absl::Notification finished;
  std::shared_ptr<ExecCall> call;
  ExecEvents events;
  events.output = [&](const std::string&) {
    if (++read < kFast) call->Continue();
  };
  events.finished = [&](const absl::Status&) { finished.Notify(); };
  call = ExecCall::Create(MakeChannel(agent_.endpoint(), pki_.Load("operator")),
                          v1::ExecRequest(), Patient(), std::move(events));
  call->Start();
  ASSERT_TRUE(Eventually([&] { return read == kFast; }));
  // Until the agent cannot write any more.
  int before = -1;
  while (before != written) {
    before = written;
    absl::SleepFor(absl::Milliseconds(500));
  }
  EXPECT_EQ(read, kFast);
  // The window, and what is just being written or read.
  const int waiting = written - read;
  printf("%.1f MiB wait\n", waiting / 4.0);
  EXPECT_LE(waiting, (2 << 20) / kChunkBytes + 4);
  call->Cancel();
  finished.WaitForNotification();
}

TEST_F(ExecCallTest, CancelOfAPausedCallEndsIt) {
  std::atomic<bool> seen{false};
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    script.Stdout("a");
    script.Stdout("b");
    script.AwaitCancel();
    seen = script.cancelled();
    return grpc::Status::CANCELLED;
  };
  read_on_ = false;
  auto record = std::make_shared<Record>();
  const std::shared_ptr<ExecCall> call = Make(record, agent_.endpoint());
  call->Start();
  ASSERT_TRUE(Eventually([&] { return record->chunks == 1; }));
  call->Cancel();
  call->Cancel();
  record->finished.WaitForNotification();
  call->Continue();
  EXPECT_TRUE(absl::IsCancelled(record->status)) << record->status;
  EXPECT_EQ(record->out, "a");
  EXPECT_TRUE(Eventually([&] { return seen.load(); }));
}

TEST_F(ExecCallTest, AHostThatDoesNotAnswerCostsItsTime) {
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  auto record = std::make_shared<Record>();
  // Time enough to connect.
  Make(record, agent_.endpoint(), {.answer_within = absl::Seconds(3)})->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(record->status)) << record->status;
  EXPECT_TRUE(WasConnected(record->status));
}

TEST_F(ExecCallTest, TheAnswersDeadlineIsNotThatOfTheCommand) {
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    absl::SleepFor(absl::Seconds(4));
    script.Stdout("late");
    script.Code(0);
    return grpc::Status::OK;
  };
  auto record = std::make_shared<Record>();
  Make(record, agent_.endpoint(), {.answer_within = absl::Seconds(3)})->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(record->status.ok()) << record->status;
  EXPECT_EQ(record->out, "late");
}

TEST_F(ExecCallTest, TheLimitEndsTheStreamWhenAskedFor) {
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    script.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  auto record = std::make_shared<Record>();
  Make(record, agent_.endpoint(),
       {.answer_within = kHangLimit, .limit = absl::Seconds(2)})
      ->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(record->status)) << record->status;
}

TEST_F(ExecCallTest, ADeadConnectionEndsItAsUnavailable) {
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    script.Stdout("before");
    script.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  Cable cable(agent_.endpoint());
  auto record = std::make_shared<Record>();
  Make(record, cable.endpoint())->Start();
  ASSERT_TRUE(Eventually([&] { return record->chunks == 1; }));
  cable.Cut();
  record->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsUnavailable(record->status)) << record->status;
  EXPECT_EQ(record->out, "before");
}

TEST_F(ExecCallTest, RandomCancelsFromOtherThreads) {
  agent_.on_exec = [&](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    for (int i = 0; i < 50; ++i) {
      if (!script.Stdout(std::string(1000, 'x'))) break;
    }
    script.Code(0);
    return grpc::Status::OK;
  };
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    auto record = std::make_shared<Record>();
    std::shared_ptr<ExecCall> call = Make(record, agent_.endpoint());
    call->Start();
    std::thread canceller([call, pause = random() % 8000] {
      absl::SleepFor(absl::Microseconds(pause));
      call->Cancel();
    });
    if (random() % 2 == 0) call.reset();
    record->finished.WaitForNotification();
    canceller.join();
  }
}

}  // namespace
}  // namespace specula::testing
