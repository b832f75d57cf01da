#include "agent/front/exec_reactor.h"

#include <utility>

#include "agent/front/to_broker.h"
#include "lib/rpc/grpc_status.h"

namespace specula::agent {

ExecReactor::ExecReactor(const Context& context,
                         std::shared_ptr<const Caller> caller, CallAudit audit,
                         const v1::ExecRequest& request)
    : context_(context),
      caller_(std::move(caller)),
      audit_(std::move(audit)),
      command_(request.command()) {
  context_.loop.Post([this] { Begin(); });
}

void ExecReactor::Begin() {
  if (ending_) return;  // cancelled before it began
  context_.streams.Add(this);
  absl::StatusOr<broker::Spawn> spawn =
      ToSpawn(command_, IdentityUri(caller_->identity));
  if (!spawn.ok()) {
    FinishWith(spawn.status());
    return;
  }
  // Before the effect: what cannot be recorded is not done.
  awaited_ = Awaited::kRecord;
  audit_.Started(command_, [this, spawn = *std::move(spawn)](
                               const absl::Status& recorded) {
    Recorded(recorded, spawn);
  });
}

void ExecReactor::Recorded(const absl::Status& recorded,
                           const broker::Spawn& spawn) {
  awaited_ = Awaited::kNothing;
  if (ending_ || !recorded.ok()) {
    FinishWith(ending_ ? end_status_ : recorded);
    return;
  }
  awaited_ = Awaited::kSpawned;
  const std::string input = std::move(*command_.mutable_stdin());
  context_.broker.With([&](BrokerClient& client) {
    client.Spawn(spawn, input,
                 [this](absl::StatusOr<BrokerClient::Spawned> spawned) {
                   Spawned(std::move(spawned));
                 },
                 {[this](const broker::Exited& exited) { Exited(exited); },
                  [this](const broker::Gone& gone) { Gone(gone); },
                  [this] { BrokerLost(); }});
  });
  command_.Clear();
}

void ExecReactor::Spawned(absl::StatusOr<BrokerClient::Spawned> spawned) {
  awaited_ = Awaited::kNothing;
  if (!spawned.ok()) {
    FinishWith(ending_ ? end_status_ : spawned.status());
    return;
  }
  job_ = spawned->facts.job();
  limit_bytes_ = spawned->facts.output_limit_bytes();
  audit_.SetPid(spawned->facts.pid(), spawned->facts.start_ticks());
  out_.emplace(context_.loop, std::move(spawned->out));
  error_.emplace(context_.loop, std::move(spawned->error));
  if (ending_) {
    context_.broker.With([this](BrokerClient& client) {
      broker::EndTree order;
      order.set_job(job_);
      client.EndTree(order);
    });
  } else {
    v1::ExecStarted* started = outbox_.MakeNext().mutable_started();
    started->set_pid(spawned->facts.pid());
    started->set_start_ticks(spawned->facts.start_ticks());
  }
  Pump();
}

void ExecReactor::Exited(const broker::Exited& exited) {
  exited_ = exited;
  Pump();
}

void ExecReactor::Gone(const broker::Gone& gone) {
  gone_ = gone;
  Pump();
}

void ExecReactor::BrokerLost() {
  broker_lost_ = true;
  if (!ending_) {
    ending_ = true;
    end_status_ = absl::UnavailableError(
        "the agent's broker is gone; what became of the program is not known");
  }
  Pump();
}

bool ExecReactor::TakeFrom(OutputPipe& pipe, bool is_stdout) {
  v1::ExecResponse& message = outbox_.MakeNext();
  std::string* chunk =
      is_stdout ? message.mutable_stdout() : message.mutable_stderr();
  *chunk = std::move(spare_);
  while (pipe.Read(*chunk)) {
    if (limit_bytes_ > 0 &&
        sent_bytes_ + static_cast<int64_t>(chunk->size()) > limit_bytes_) {
      chunk->resize(static_cast<size_t>(limit_bytes_ - sent_bytes_));
      truncated_ = true;
    }
    sent_bytes_ += static_cast<int64_t>(chunk->size());
    if (!chunk->empty()) return true;
    // Beyond the limit: what comes is read, so that the program can go on, and
    // dropped.
  }
  spare_ = std::move(*chunk);
  outbox_.DropNext();
  return false;
}

bool ExecReactor::NextOutput() {
  for (int turn = 0; turn < 2; ++turn) {
    const bool is_stdout = std::exchange(stdout_next_, !stdout_next_);
    if (TakeFrom(is_stdout ? *out_ : *error_, is_stdout)) return true;
  }
  return false;
}

void ExecReactor::DiscardOutput() {
  std::string dropped;
  for (OutputPipe* pipe : {&*out_, &*error_}) {
    while (pipe->Read(dropped)) {
    }
  }
}

void ExecReactor::SayFinishedReading() {
  if (said_finished_ || !exited_.has_value() || gone_.has_value() ||
      !pipes_at_end())
    return;
  said_finished_ = true;
  context_.broker.With([this](BrokerClient& client) { client.Finish(job_); });
}

void ExecReactor::Pump() {
  if (finished_) return;
  if (job_ == 0) return;
  if (ending_) {
    outbox_.DropNext();
    // What runs on without a broker may write for ever.
    if (!broker_lost_) DiscardOutput();
    if (gone_.has_value() || broker_lost_) {
      out_->Close();
      error_->Close();
      FinishWith(end_status_);
      return;
    }
  }
  while (true) {
    if (const v1::ExecResponse* message = outbox_.TakeNext()) {
      StartWrite(message);
    }
    if (outbox_.full()) return;  // the child waits
    if (ending_ || !NextOutput()) break;
  }
  SayFinishedReading();
  if (gone_.has_value() && !outbox_.writing()) {
    // After `gone` nobody writes any more, but for what could not be killed.
    const bool drained = pipes_at_end() && !gone_->drain_over();
    out_->Close();
    error_->Close();
    if (!exited_.has_value()) {
      FinishWith(absl::InternalError("the program could not be killed"));
      return;
    }
    *outbox_.MakeNext().mutable_exited() =
        ToExited(*exited_, *gone_, drained, truncated_);
    const v1::ExecResponse* last = outbox_.TakeNext();
    audit_.Exited(last->exited(), sent_bytes_);
    finished_ = true;
    context_.streams.Remove(this);
    StartWriteAndFinish(last, grpc::WriteOptions(), grpc::Status::OK);
    return;
  }
  // With a message on its way there is room for one more.
  out_->Wait([this] { Pump(); });
  error_->Wait([this] { Pump(); });
}

void ExecReactor::Written(bool ok) {
  v1::ExecResponse& written = outbox_.Written();
  if (written.has_stdout()) {
    spare_ = std::move(*written.mutable_stdout());
  } else if (written.has_stderr()) {
    spare_ = std::move(*written.mutable_stderr());
  }
  if (finished_) return;
  if (!ok) End(absl::CancelledError("the caller is gone"));
  if (job_ == 0 && ending_ && awaited_ == Awaited::kNothing) {
    FinishWith(end_status_);
    return;
  }
  Pump();
}

void ExecReactor::End(const absl::Status& status) {
  if (ending_ || finished_) return;
  ending_ = true;
  end_status_ = status;
  // Ended as soon as it is known what to end.
  if (awaited_ != Awaited::kNothing) return;
  if (job_ == 0) {
    FinishWith(status);
    return;
  }
  if (!gone_.has_value()) {
    context_.broker.With([this](BrokerClient& client) {
      broker::EndTree order;
      order.set_job(job_);
      client.EndTree(order);
    });
  }
  Pump();
}

void ExecReactor::FinishWith(const absl::Status& status) {
  if (outbox_.writing()) {
    // Written comes back here; what is said then is the same.
    ending_ = true;
    end_status_ = status;
    return;
  }
  finished_ = true;
  context_.streams.Remove(this);
  audit_.Ended(status, sent_bytes_);
  Finish(ToGrpc(status));
}

void ExecReactor::OnWriteDone(bool ok) {
  context_.loop.Post([this, ok] { Written(ok); });
}

void ExecReactor::OnCancel() {
  context_.loop.Post(
      [this] { End(absl::CancelledError("cancelled by the caller")); });
}

void ExecReactor::OnDone() {
  context_.loop.Post([this] { delete this; });
}

}  // namespace specula::agent
