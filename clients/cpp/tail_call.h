#ifndef SPECULA_CLIENTS_CPP_TAIL_CALL_H_
#define SPECULA_CLIENTS_CPP_TAIL_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include "clients/cpp/stream_call.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula {

// What happens in a Tail. Each is called on a thread of gRPC, in the order of
// the stream, and must not block. After `data` and after `event` nothing
// further is read until one Continue().
struct TailEvents {
  // The file was opened and its end read; its bytes follow, if there are any.
  // Optional.
  std::function<void()> opened;
  // Bytes of the file, as they came and not copied.
  std::function<void(std::string)> data;
  // Something happened to the file between the bytes before and after.
  std::function<void(const v1::TailEvent&)> event;
  // Always, once, last.
  std::function<void(const absl::Status&)> finished;
};

// One Tail. A file may be silent for days: what must come in time is the
// connection, not the first byte. See StreamCall for threads and lifetime; the
// events are let go after `finished`.
class TailCall final : public StreamCall<v1::TailResponse> {
 public:
  // Nothing happens before Start().
  static std::shared_ptr<TailCall> Create(
      std::shared_ptr<grpc::Channel> channel, v1::TailRequest request,
      const StreamOptions& options, TailEvents events);

 private:
  TailCall(std::shared_ptr<grpc::Channel> channel, v1::TailRequest request,
           const StreamOptions& options, TailEvents events);
  void Call(grpc::ClientContext* context) override;
  void OnAnswering() override;
  bool OnMessage(v1::TailResponse& message) override;
  void OnFinished(const absl::Status& status) override;

  const v1::TailRequest request_;
  TailEvents events_;
};

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_TAIL_CALL_H_
