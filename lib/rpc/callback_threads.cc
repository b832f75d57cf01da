#include "lib/rpc/callback_threads.h"

#include <grpc/support/cpu.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace specula {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);

// A channel that cannot connect, and one call on it, which fails at once: its
// end runs `done` on a callback thread. Never deleted.
struct FailingCall {
  explicit FailingCall(std::function<void()> done)
      : stub(grpc::CreateChannel("", nullptr)) {
    const grpc::Slice empty;
    request = grpc::ByteBuffer(&empty, 1);
    stub.UnaryCall(&context, "/none", grpc::StubOptions(), &request, &response,
                   [done = std::move(done)](const grpc::Status&) { done(); });
  }
  grpc::ClientContext context;
  grpc::GenericStub stub;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
};

// As CallbackAlternativeCQ of gRPC 1.51 makes them.
int CallbackThreads() {
  return static_cast<int>(std::clamp(gpr_cpu_num_cores() / 2, 2u, 16u));
}

class Parking {
 public:
  bool Run() {
    for (int i = 1; i < CallbackThreads(); ++i) {
      new FailingCall([this, starter = std::this_thread::get_id()] {
        if (std::this_thread::get_id() != starter) Park();
      });
      if (!Await([this, i] {
            mutex_.AssertHeld();
            return parked_ == i;
          })) {
        return false;
      }
    }
    new FailingCall([this] {
      absl::MutexLock lock(&mutex_);
      probed_ = true;
    });
    return Await([this] {
      mutex_.AssertHeld();
      return probed_;
    });
  }

 private:
  void Park() {
    absl::MutexLock lock(&mutex_);
    ++parked_;
    mutex_.Await(absl::Condition(&released_));
  }

  // Lets all go if it does not come.
  template <typename Condition>
  bool Await(Condition condition) {
    absl::MutexLock lock(&mutex_);
    released_ =
        !mutex_.AwaitWithTimeout(absl::Condition(&condition), kPatience);
    return !released_;
  }

  absl::Mutex mutex_;
  int parked_ ABSL_GUARDED_BY(mutex_) = 0;
  bool probed_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void KeepCallbackThreads() {
  [[maybe_unused]] static const FailingCall* const keeper =
      new FailingCall([] {});
}

bool UseOneCallbackThread() {
  KeepCallbackThreads();
  static Parking* const parking = new Parking;
  return parking->Run();
}

}  // namespace specula
