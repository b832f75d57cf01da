#ifndef SPECULA_CLIENTS_CPP_STREAM_CALL_H_
#define SPECULA_CLIENTS_CPP_STREAM_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/answer.h"
#include "clients/cpp/call_status.h"
#include "lib/rpc/on_behalf.h"

namespace specula {

// How long a stream may take.
struct StreamOptions {
  // From the start to the agent's answer, connecting included. A stream may
  // last for ever, a host that is not there may not.
  absl::Duration answer_within = absl::Seconds(5);
  // For the stream as a whole.
  absl::Duration limit = absl::InfiniteDuration();
  // Of a shim: for whom it calls; see lib/rpc/on_behalf.h.
  std::string on_behalf = {};
};

// One server stream that is read no faster than its messages are taken: at most
// one read is out, and after a message that was kept back there is none until
// Continue(). What piles up meanwhile piles up at the agent, within HTTP/2's
// window.
//
// Thread-safe. It keeps itself alive from Start() until OnFinished has
// returned.
template <typename Response>
class StreamCall : public PendingCall,
                   protected grpc::ClientReadReactor<Answer<Response>>,
                   public std::enable_shared_from_this<StreamCall<Response>> {
 public:
  // Begins. Once.
  void Start() {
    self_ = this->shared_from_this();
    if (options_.limit != absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + options_.limit));
    }
    if (!options_.on_behalf.empty()) {
      context_.AddMetadata(kOnBehalfKey, options_.on_behalf);
    }
    std::weak_ptr<StreamCall> weak = self_;
    alarm_.Set(absl::ToChronoTime(absl::Now() + options_.answer_within),
               [weak = std::move(weak)](bool over) {
                 std::shared_ptr<StreamCall> self =
                     over ? weak.lock() : nullptr;
                 if (self != nullptr) self->OnNoAnswer();
               });
    Call(&context_);
    // Reads are begun outside of reactions, so that gRPC's count of what is out
    // alone would not keep the call.
    this->AddHold();
    this->StartRead(&answer_);
    this->StartCall();
  }

  // Reads on, after a message that was kept back. From any thread; without
  // such a message, and after Cancel, it does nothing.
  void Continue() {
    {
      absl::MutexLock lock(&mutex_);
      if (state_ != State::kHeld) return;
      state_ = State::kReading;
    }
    this->StartRead(&answer_);
  }

  // No message is told after it has returned, but one that is being told; then
  // OnFinished.
  void Cancel() override {
    bool release = false;
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
      release = state_ == State::kHeld;
      if (release) state_ = State::kEnded;
    }
    context_.TryCancel();
    if (release) this->RemoveHold();
  }

 protected:
  // `connection_answers`: a connection that stands is answer enough, because
  // the first message may rightly be a long time coming.
  StreamCall(std::shared_ptr<grpc::Channel> channel,
             const StreamOptions& options, bool connection_answers)
      : channel_(std::move(channel)),
        options_(options),
        connection_answers_(connection_answers) {}

  // Makes the call, by CallMethod.
  virtual void Call(grpc::ClientContext* context) = 0;

  // Makes the call of a method of the contract with this reactor, as the stub
  // would: but that has no place for an Answer.
  template <typename Request>
  void CallMethod(absl::string_view method, grpc::ClientContext* context,
                  const Request* request) {
    using grpc::internal::RpcMethod;
    const std::string path = MethodPath(method);
    grpc::internal::ClientCallbackReaderFactory<Answer<Response>>::Create(
        channel_.get(),
        RpcMethod(path.c_str(), /*suffix_for_stats=*/nullptr,
                  RpcMethod::SERVER_STREAMING),
        context, request, this);
  }

  // The server has begun to answer, perhaps without a message yet. At most
  // once, and not if it refuses; perhaps while the first message is told.
  virtual void OnAnswering() {}

  // One message, which may be moved from. True: read on at once. False: it is
  // kept back until Continue(), which may be called before this returns; from
  // then on `message` is the next one, so leave it alone. Must not block.
  virtual bool OnMessage(Response& message) = 0;

  // The end, once and last. DEADLINE_EXCEEDED if there was no answer in time,
  // UnreadableAnswer if a message could not be read; then the call is ended.
  virtual void OnFinished(const absl::Status& status) = 0;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  enum class State { kReading, kHeld, kEnded };
  // What is to be said of the end.
  enum class Verdict { kOfTheCall, kLate, kUnreadable };

  void OnReadInitialMetadataDone(bool ok) override {
    if (!ok) return;
    OnAnswering();
    if (!connection_answers_) return;
    absl::MutexLock lock(&mutex_);
    answered_ = true;
  }

  void OnReadDone(bool ok) override {
    bool first = false;
    bool unreadable = false;
    {
      absl::MutexLock lock(&mutex_);
      if (ok && !cancelled_ &&
          answer_.state == Answer<Response>::State::kUnreadable) {
        unreadable = true;
        verdict_ = Verdict::kUnreadable;
        cancelled_ = true;
      }
      if (!ok || cancelled_) {
        state_ = State::kEnded;
      } else {
        state_ = State::kHeld;
        first = !std::exchange(answered_, true);
      }
      ok = state_ == State::kHeld;
    }
    if (!ok) {
      if (unreadable) context_.TryCancel();
      this->RemoveHold();
      return;
    }
    if (first) alarm_.Cancel();
    if (OnMessage(answer_.message)) Continue();
  }

  void OnDone(const grpc::Status& status) override {
    std::shared_ptr<StreamCall> self = std::move(self_);
    alarm_.Cancel();
    Verdict verdict = Verdict::kOfTheCall;
    {
      absl::MutexLock lock(&mutex_);
      verdict = verdict_;
    }
    switch (verdict) {
      case Verdict::kOfTheCall:
        OnFinished(CallStatus(status, *channel_));
        break;
      case Verdict::kLate:
        OnFinished(CallStatus(
            grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, ""), *channel_));
        break;
      case Verdict::kUnreadable:
        OnFinished(UnreadableAnswer(NotA(answer_.message)));
        break;
    }
  }

  void OnNoAnswer() {
    const bool connected =
        connection_answers_ && channel_->GetState(false) == GRPC_CHANNEL_READY;
    {
      absl::MutexLock lock(&mutex_);
      if (answered_ || cancelled_ || connected) return;
      verdict_ = Verdict::kLate;
      cancelled_ = true;
    }
    context_.TryCancel();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const StreamOptions options_;
  const bool connection_answers_;
  std::shared_ptr<StreamCall> self_;  // from Start to OnDone
  grpc::ClientContext context_;
  grpc::Alarm alarm_;
  // Belongs to the read that is out, else to OnMessage.
  Answer<Response> answer_;

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kReading;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  Verdict verdict_ ABSL_GUARDED_BY(mutex_) = Verdict::kOfTheCall;
};

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_STREAM_CALL_H_
