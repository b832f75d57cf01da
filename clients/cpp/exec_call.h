#ifndef SPECULA_CLIENTS_CPP_EXEC_CALL_H_
#define SPECULA_CLIENTS_CPP_EXEC_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include "clients/cpp/stream_call.h"
#include "specula/v1/specula.grpc.pb.h"

namespace specula {

// What happens in an Exec. Each is called on a thread of gRPC, in the order of
// the stream, and must not block.
struct ExecEvents {
  std::function<void(const v1::ExecStarted&)> started;
  // Bytes of standard output and standard error, as they came and not copied.
  // Nothing further is read until one Continue() for each: that pauses the
  // remote program when the consumer is slow.
  std::function<void(std::string)> output;
  std::function<void(std::string)> error_output;
  std::function<void(const v1::ExecExited&)> exited;
  // Always, once, last. OK as a rule after `exited`; see ClassifyCommand.
  std::function<void(const absl::Status&)> finished;
};

// One Exec: runs a command on a host and gives its output as it comes. The
// command's run time is its own matter (Command.timeout); the deadline here is
// for the host to say `started`. Cancel() ends the remote process tree, but
// does not wait for it: the proof is `exited` alone. See StreamCall for
// threads and lifetime; the events are let go after `finished`.
class ExecCall final : public StreamCall<v1::ExecResponse> {
 public:
  // Nothing happens before Start().
  static std::shared_ptr<ExecCall> Create(
      std::shared_ptr<grpc::Channel> channel, v1::ExecRequest request,
      const StreamOptions& options, ExecEvents events);

 private:
  ExecCall(std::shared_ptr<grpc::Channel> channel, v1::ExecRequest request,
           const StreamOptions& options, ExecEvents events);
  void Call(grpc::ClientContext* context) override;
  bool OnMessage(v1::ExecResponse& message) override;
  void OnFinished(const absl::Status& status) override;

  const v1::ExecRequest request_;
  ExecEvents events_;
};

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_EXEC_CALL_H_
