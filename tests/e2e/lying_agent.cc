#include "tests/e2e/lying_agent.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {

// Owns itself until it is done.
class LyingAgent::Call final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Call(LyingAgent& agent) : agent_(agent) { WriteNext(); }

  void OnWriteDone(bool ok) override {
    if (ok) return WriteNext();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      state_ = State::kEnded;
    }
    Finish(grpc::Status::CANCELLED);
  }

  void OnCancel() override {
    ++agent_.cancelled_;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      // A write that is out ends by itself.
      if (std::exchange(state_, State::kEnded) != State::kWaiting) return;
    }
    Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  enum class State { kWriting, kWaiting, kEnded };

  void WriteNext() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (next_ == agent_.options_.messages.size()) {
        if (!agent_.options_.ends && state_ == State::kWriting) {
          state_ = State::kWaiting;
          return;
        }
        state_ = State::kEnded;
      }
    }
    if (next_ == agent_.options_.messages.size()) {
      return Finish(grpc::Status::OK);
    }
    const grpc::Slice slice(agent_.options_.messages[next_++]);
    bytes_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&bytes_);
  }

  LyingAgent& agent_;
  size_t next_ = 0;  // the writes'
  grpc::ByteBuffer bytes_;
  std::mutex mutex_;
  State state_ = State::kWriting;
};

class LyingAgent::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(LyingAgent& agent) : agent_(agent) {}

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext*) override {
    return new Call(agent_);
  }

  LyingAgent& agent_;
};

LyingAgent::LyingAgent(const Pki& pki, Options options)
    : options_(std::move(options)), service_(std::make_unique<Service>(*this)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", AgentCredentials(pki), &port_);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
}

LyingAgent::~LyingAgent() {
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

Endpoint LyingAgent::endpoint() const {
  return {{"127.0.0.1", static_cast<uint16_t>(port_)}, ""};
}

}  // namespace specula::testing
