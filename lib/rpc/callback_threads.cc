#include "lib/rpc/callback_threads.h"

#include <grpc/support/cpu.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace specula {
namespace {

constexpr std::chrono::seconds kPatience(1);

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

// With the standard library's locks, which ThreadSanitizer knows.
class Parking {
 public:
  bool Run() {
    for (int i = 1; i < CallbackThreads(); ++i) {
      new FailingCall([this, starter = std::this_thread::get_id()] {
        if (std::this_thread::get_id() != starter) Park();
      });
      if (!Await([this, i] { return parked_ == i; })) return false;
    }
    new FailingCall([this] {
      const std::lock_guard<std::mutex> lock(mutex_);
      probed_ = true;
      changed_.notify_all();
    });
    return Await([this] { return probed_; });
  }

 private:
  void Park() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++parked_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
  }

  // Lets all go if it does not come.
  template <typename Condition>
  bool Await(Condition condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    released_ = !changed_.wait_for(lock, kPatience, condition);
    changed_.notify_all();
    return !released_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int parked_ = 0;  // these three under the mutex
  bool probed_ = false;
  bool released_ = false;
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
