#include "clients/cpp/tail_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "clients/cpp/call_status.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using Writer = grpc::ServerWriter<v1::TailResponse>;

class TailCallTest : public ::testing::Test {
 protected:
  struct Record {
    std::mutex mutex;
    std::string text;  // bytes, and events as <N>
    absl::Status status;
    absl::Notification finished;
  };

  std::shared_ptr<TailCall> Make(const std::shared_ptr<Record>& record,
                                 const Endpoint& endpoint,
                                 absl::Duration answer_within = kHangLimit) {
    auto call = std::make_shared<std::shared_ptr<TailCall>>();
    auto add = [record, call](const std::string& text) {
      {
        std::lock_guard<std::mutex> lock(record->mutex);
        record->text += text;
      }
      (*call)->Continue();
    };
    TailEvents events;
    events.data = add;
    events.event = [add](const v1::TailEvent& event) {
      add("<" + std::to_string(event.kind()) + ">");
    };
    events.finished = [record, call](const absl::Status& status) {
      record->status = status;
      call->reset();
      record->finished.Notify();
    };
    *call = TailCall::Create(MakeChannel(endpoint, pki_.Load("operator")),
                             v1::TailRequest(),
                             {.answer_within = answer_within}, events);
    return *call;
  }

  static void Data(Writer* writer, const std::string& bytes) {
    v1::TailResponse response;
    response.set_data(bytes);
    writer->Write(response);
  }
  static void Event(Writer* writer, v1::TailEvent::Kind kind) {
    v1::TailResponse response;
    response.mutable_event()->set_kind(kind);
    writer->Write(response);
  }

  const Pki pki_;
  FakeAgent agent_{pki_};
};

TEST_F(TailCallTest, EventsStandBetweenTheBytesTheyBelongTo) {
  agent_.on_tail = [](grpc::ServerContext*, const v1::TailRequest&,
                      Writer* writer) {
    Data(writer, "old");
    Event(writer, v1::TailEvent::KIND_ROTATED);
    Data(writer, "new");
    return grpc::Status::OK;
  };
  auto record = std::make_shared<Record>();
  Make(record, agent_.endpoint())->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(record->status.ok()) << record->status;
  EXPECT_EQ(record->text, "old<1>new");
}

TEST_F(TailCallTest, AFileMayBeSilentLongerThanAConnectionMay) {
  agent_.on_tail = [](grpc::ServerContext*, const v1::TailRequest&,
                      Writer* writer) {
    absl::SleepFor(absl::Seconds(4));
    Data(writer, "late");
    return grpc::Status::OK;
  };
  auto record = std::make_shared<Record>();
  Make(record, agent_.endpoint(), absl::Seconds(3))->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(record->status.ok()) << record->status;
  EXPECT_EQ(record->text, "late");
}

TEST_F(TailCallTest, AHostThatDoesNotConnectCostsItsTime) {
  // Connects, and never says a word.
  Process silent(
      {.arguments = {
           "python3", "-c",
           "import socket,time\n"
           "s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\n"
           "print(s.getsockname()[1], flush=True)\ntime.sleep(600)"}});
  ASSERT_TRUE(Eventually([&] { return !silent.Stdout().empty(); }));
  const auto port = static_cast<uint16_t>(std::stoi(silent.Stdout()));
  auto record = std::make_shared<Record>();
  Make(record, {{"127.0.0.1", port}, ""}, absl::Milliseconds(500))->Start();
  record->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(record->status)) << record->status;
  EXPECT_FALSE(WasConnected(record->status));
}

TEST_F(TailCallTest, CancelEndsItHere) {
  std::atomic<bool> seen{false};
  agent_.on_tail = [&](grpc::ServerContext* context, const v1::TailRequest&,
                       Writer* writer) {
    Data(writer, "line\n");
    Eventually([&] { return context->IsCancelled(); });
    seen = context->IsCancelled();
    return grpc::Status::CANCELLED;
  };
  auto record = std::make_shared<Record>();
  const std::shared_ptr<TailCall> call = Make(record, agent_.endpoint());
  call->Start();
  ASSERT_TRUE(Eventually([&] {
    std::lock_guard<std::mutex> lock(record->mutex);
    return record->text == "line\n";
  }));
  call->Cancel();
  record->finished.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(record->status)) << record->status;
  EXPECT_TRUE(Eventually([&] { return seen.load(); }));
}

}  // namespace
}  // namespace specula::testing
