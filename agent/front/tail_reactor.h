#ifndef SPECULA_AGENT_FRONT_TAIL_REACTOR_H_
#define SPECULA_AGENT_FRONT_TAIL_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "agent/front/event_loop.h"
#include "agent/front/outbox.h"
#include "agent/front/stream_set.h"
#include "agent/front/tail_hub.h"
#include "agent/tail/follower.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// One Tail: drives a Follower, whose files the broker opens. It pauses: at most
// two chunks are held, and when the reader is slow the file is not read.
//
// gRPC calls the reactions on its own threads; they only post, and everything
// else belongs to the loop thread. It deletes itself after OnDone.
class TailReactor final : public grpc::ServerWriteReactor<v1::TailResponse>,
                          private Stream {
 public:
  // What it works with; must outlive it.
  struct Context {
    EventLoop& loop;
    BrokerLink& broker;
    StreamSet& streams;
    TailHub& hub;
  };

  TailReactor(const Context& context, std::shared_ptr<const Caller> caller,
              CallAudit audit, const v1::TailRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~TailReactor() override = default;

  const Caller& caller() const override { return *caller_; }
  void End(const absl::Status& status) override;

  void Begin();
  void Woken(bool name_changed);
  void Arm();
  void Pump();
  // Writes the next message if none is on its way; false if there is none.
  bool Send();
  // One step of the follower; false if it has nothing more now.
  bool Step();
  void Open(const std::string& path);
  void WakeAt(absl::Duration time);
  void Written(bool ok);
  void MaybeFinish();

  const Context context_;
  const std::shared_ptr<const Caller> caller_;
  CallAudit audit_;
  const v1::TailRequest request_;
  std::unique_ptr<Follower> follower_;
  std::optional<TailHub::Id> subscription_;
  boost::asio::steady_timer timer_;
  bool opening_ = false;  // the broker was asked and has not answered
  Outbox<v1::TailResponse> outbox_;
  int64_t sent_bytes_ = 0;
  bool answered_ = false;  // something was sent
  bool ending_ = false;
  bool flush_ = false;  // what was read is still to be sent at the end
  bool finished_ = false;
  absl::Status end_status_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TAIL_REACTOR_H_
