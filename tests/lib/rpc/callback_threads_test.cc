#include "lib/rpc/callback_threads.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace specula {
namespace {

// A call that fails at once; its callback runs `done`.
struct Call {
  explicit Call(std::function<void()> done)
      : stub(grpc::CreateChannel("", nullptr)) {
    stub.UnaryCall(&context, "/none", grpc::StubOptions(), &request, &response,
                   [done = std::move(done)](const grpc::Status&) { done(); });
  }
  grpc::ClientContext context;
  grpc::GenericStub stub;
  grpc::Slice empty;
  grpc::ByteBuffer request{&empty, 1};
  grpc::ByteBuffer response;
};

TEST(CallbackThreadsTest, OneIsLeftToWork) {
  ASSERT_TRUE(UseOneCallbackThread());
  absl::Notification first_runs;
  absl::Notification go_on;
  absl::Notification second_runs;
  const Call first([&] {
    first_runs.Notify();
    go_on.WaitForNotification();
  });
  ASSERT_TRUE(first_runs.WaitForNotificationWithTimeout(absl::Seconds(60)));
  const Call second([&] { second_runs.Notify(); });
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_FALSE(second_runs.HasBeenNotified());
  go_on.Notify();
  EXPECT_TRUE(second_runs.WaitForNotificationWithTimeout(absl::Seconds(60)));
}

}  // namespace
}  // namespace specula
