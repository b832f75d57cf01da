#include "clients/cpp/watch_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "absl/synchronization/notification.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using Writer = grpc::ServerWriter<v1::WatchResponse>;

class WatchCallTest : public ::testing::Test {
 protected:
  struct Record {
    std::mutex mutex;
    std::vector<int64_t> sequences;
    std::atomic<size_t> count{0};
    std::atomic<bool> hold{false};
    absl::Status status;
    absl::Notification finished;
  };

  std::shared_ptr<WatchCall> Make(
      absl::Duration answer_within = kHangLimit) const {
    v1::WatchRequest request;
    request.set_process_limit(7);
    return WatchCall::Create(
        MakeChannel(agent_.endpoint(), pki_.Load("viewer")), request,
        {.answer_within = answer_within},
        {.snapshot =
             [record = record_](const v1::WatchResponse& response) {
               std::lock_guard<std::mutex> lock(record->mutex);
               record->sequences.push_back(response.sequence());
               ++record->count;
               return !record->hold;
             },
         .finished =
             [record = record_](const absl::Status& status) {
               record->status = status;
               record->finished.Notify();
             }});
  }

  static void Send(Writer* writer, int64_t sequence) {
    v1::WatchResponse response;
    response.set_sequence(sequence);
    writer->Write(response);
  }

  std::vector<int64_t> Sequences() const {
    std::lock_guard<std::mutex> lock(record_->mutex);
    return record_->sequences;
  }

  const Pki pki_;
  FakeAgent agent_{pki_};
  const std::shared_ptr<Record> record_ = std::make_shared<Record>();
};

TEST_F(WatchCallTest, SnapshotsComeInOrderAndTheRequestArrives) {
  std::atomic<int> limit{0};
  agent_.on_watch = [&](grpc::ServerContext*, const v1::WatchRequest& request,
                        Writer* writer) {
    limit = request.process_limit();
    for (int i = 1; i <= 3; ++i) Send(writer, i);
    return grpc::Status::OK;
  };
  Make()->Start();
  record_->finished.WaitForNotification();
  EXPECT_TRUE(record_->status.ok()) << record_->status;
  EXPECT_THAT(Sequences(), ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(limit, 7);
}

TEST_F(WatchCallTest, OneThatIsKeptBackHoldsTheNext) {
  agent_.on_watch = [&](grpc::ServerContext*, const v1::WatchRequest&,
                        Writer* writer) {
    for (int i = 1; i <= 2; ++i) Send(writer, i);
    return grpc::Status::OK;
  };
  record_->hold = true;
  const std::shared_ptr<WatchCall> call = Make();
  call->Start();
  ASSERT_TRUE(Eventually([&] { return record_->count == 1; }));
  EXPECT_FALSE(record_->finished.WaitForNotificationWithTimeout(
      absl::Milliseconds(100)));
  EXPECT_EQ(record_->count, 1);
  call->Continue();
  ASSERT_TRUE(Eventually([&] { return record_->count == 2; }));
  call->Continue();
  record_->finished.WaitForNotification();
  EXPECT_TRUE(record_->status.ok()) << record_->status;
}

TEST_F(WatchCallTest, HeadersWithoutASnapshotAreNoAnswer) {
  agent_.on_watch = [](grpc::ServerContext* context, const v1::WatchRequest&,
                       Writer* writer) {
    writer->SendInitialMetadata();
    Eventually([context] { return context->IsCancelled(); });
    return grpc::Status::CANCELLED;
  };
  Make(absl::Milliseconds(200))->Start();
  record_->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(record_->status)) << record_->status;
}

TEST_F(WatchCallTest, CancelEndsOneThatIsKeptBack) {
  std::atomic<bool> cancelled{false};
  agent_.on_watch = [&](grpc::ServerContext* context, const v1::WatchRequest&,
                        Writer* writer) {
    Send(writer, 1);
    cancelled = Eventually([context] { return context->IsCancelled(); });
    return grpc::Status::CANCELLED;
  };
  record_->hold = true;
  const std::shared_ptr<WatchCall> call = Make();
  call->Start();
  ASSERT_TRUE(Eventually([&] { return record_->count == 1; }));
  call->Cancel();
  record_->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(record_->status)) << record_->status;
  EXPECT_TRUE(Eventually([&] { return cancelled.load(); }));
}

}  // namespace
}  // namespace specula::testing
