#ifndef SPECULA_CLIENTS_CPP_WATCH_CALL_H_
#define SPECULA_CLIENTS_CPP_WATCH_CALL_H_

#include <functional>
#include <memory>

#include "clients/cpp/stream_call.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula {

// What happens in a Watch. Each is called on a thread of gRPC, in the order of
// the stream, and must not block.
struct WatchEvents {
  // A snapshot. True: the next one is read at once, so whoever keeps more than
  // the newest keeps a queue; the agent sends no more than the interval allows,
  // unless it lies. False: it is not read before Continue().
  std::function<bool(v1::WatchResponse)> snapshot;
  // Always, once, last.
  std::function<void(const absl::Status&)> finished;
};

// One Watch. The first snapshot must come within `answer_within`. See
// StreamCall for threads and lifetime; the events are let go after `finished`.
class WatchCall final : public StreamCall<v1::WatchResponse> {
 public:
  // Nothing happens before Start().
  static std::shared_ptr<WatchCall> Create(
      std::shared_ptr<grpc::Channel> channel, v1::WatchRequest request,
      const StreamOptions& options, WatchEvents events);

 private:
  WatchCall(std::shared_ptr<grpc::Channel> channel, v1::WatchRequest request,
            const StreamOptions& options, WatchEvents events);
  void Call(grpc::ClientContext* context) override;
  bool OnMessage(v1::WatchResponse& message) override;
  void OnFinished(const absl::Status& status) override;

  const v1::WatchRequest request_;
  WatchEvents events_;
};

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_WATCH_CALL_H_
