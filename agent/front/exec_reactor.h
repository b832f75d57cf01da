#ifndef SPECULA_AGENT_FRONT_EXEC_REACTOR_H_
#define SPECULA_AGENT_FRONT_EXEC_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>

#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "agent/front/event_loop.h"
#include "agent/front/outbox.h"
#include "agent/front/output_pipe.h"
#include "agent/front/stream_set.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// One Exec: started, output as it comes, exited. It pauses: at most two chunks
// are held, and when the reader is slow the pipes are not read, so that the
// child waits.
//
// However the call ends - the program exits, the caller cancels, is gone or is
// not trusted any more, the agent stops - it is over only when the broker has
// said that nothing is left of the process tree.
//
// gRPC calls the reactions on its own threads; they only post, and everything
// else belongs to the loop thread. It deletes itself after OnDone.
class ExecReactor final : public grpc::ServerWriteReactor<v1::ExecResponse>,
                          private Stream {
 public:
  // What it works with; must outlive it.
  struct Context {
    EventLoop& loop;
    BrokerLink& broker;
    StreamSet& streams;
  };

  ExecReactor(const Context& context, std::shared_ptr<const Caller> caller,
              CallAudit audit, const v1::ExecRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~ExecReactor() override = default;

  const Caller& caller() const override { return *caller_; }
  void End(const absl::Status& status) override;

  // What it waits for before there is a job; its end comes after that.
  enum class Awaited { kNothing, kRecord, kSpawned };

  void Begin();
  void Recorded(const absl::Status& recorded, const broker::Spawn& spawn);
  void Spawned(absl::StatusOr<BrokerClient::Spawned> spawned);
  void Exited(const broker::Exited& exited);
  void Gone(const broker::Gone& gone);
  void BrokerLost();
  void Written(bool ok);

  // Does what can be done now: fills the next message, sends, waits, finishes.
  void Pump();
  // Takes the next piece of output; false if there is none now.
  bool NextOutput();
  bool TakeFrom(OutputPipe& pipe, bool is_stdout);
  void DiscardOutput();
  void SayFinishedReading();
  void FinishWith(const absl::Status& status);
  bool pipes_at_end() const { return out_->at_end() && error_->at_end(); }

  const Context context_;
  const std::shared_ptr<const Caller> caller_;
  CallAudit audit_;
  v1::Command command_;  // until it was spawned

  Awaited awaited_ = Awaited::kNothing;
  uint64_t job_ = 0;  // 0: none
  int64_t limit_bytes_ = 0;
  int64_t sent_bytes_ = 0;
  bool truncated_ = false;
  std::optional<OutputPipe> out_, error_;
  bool stdout_next_ = true;  // the pipes take turns
  bool said_finished_ = false;
  std::optional<broker::Exited> exited_;
  std::optional<broker::Gone> gone_;

  Outbox<v1::ExecResponse> outbox_;
  // Memory of a chunk that was sent: a new one would have to be cleared.
  std::string spare_;
  bool broker_lost_ = false;
  bool ending_ = false;  // by something else than the program's end
  bool finished_ = false;
  absl::Status end_status_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_EXEC_REACTOR_H_
