#ifndef SPECULA_AGENT_FRONT_TAIL_REACTOR_H_
#define SPECULA_AGENT_FRONT_TAIL_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "agent/front/event_loop.h"
#include "agent/front/outbox.h"
#include "agent/front/stream_set.h"
#include "agent/front/tail_file.h"
#include "agent/front/tail_hub.h"
#include "lib/base/slow_calls.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// One Tail: gives a TailFile its turns on threads that may hang, and sends what
// they bring. It pauses: at most two chunks are held, and when the reader is
// slow the file is not read. The caller learns of a turn that is late; at the
// end it is left behind.
//
// gRPC calls the reactions on its own threads; they only post, and everything
// else belongs to the loop thread. It deletes itself after OnDone.
class TailReactor final : public grpc::ServerWriteReactor<v1::TailResponse>,
                          private Stream {
 public:
  // What it works with; must outlive it.
  struct Context {
    EventLoop& loop;
    SlowCalls& slow;
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
  // What a turn that comes back late finds in place of the reactor.
  struct Link {
    TailReactor* reactor;
  };
  enum class TurnState {
    kIdle,
    kRunning,
    kLate,  // it runs, and does not answer
  };

  ~TailReactor() override;

  const Caller& caller() const override { return *caller_; }
  void End(const absl::Status& status) override;

  void Begin();
  // Sends what is there, and starts a turn if none runs and there is cause.
  void Pump();
  void StartTurn();
  void OnTurn(TailFile::Outcome outcome);
  void OnLateTurn(int64_t turn);
  // Writes the next message if none is on its way; false if there is none.
  bool Send();
  void Add(v1::TailEvent::Kind kind);
  void Open(const std::string& path);
  // Closes a file where that may hang.
  void GiveAway(OpenAnswer answer);
  void WakeAt(absl::Duration time);
  void Written(bool ok);
  void MaybeFinish();

  const Context context_;
  const std::shared_ptr<const Caller> caller_;
  const std::shared_ptr<Link> link_ =
      std::make_shared<Link>(Link{.reactor = this});
  const std::string key_;  // of its calls
  CallAudit audit_;
  const v1::TailRequest request_;
  std::shared_ptr<TailFile> file_;
  std::optional<TailHub::Id> subscription_;
  boost::asio::steady_timer timer_, patience_;

  TurnState turn_ = TurnState::kIdle;
  int64_t turn_number_ = 0;
  TailFile::Turn next_turn_;  // what happened meanwhile
  bool due_ = true;           // there is cause for a turn

  bool opening_ = false;  // the broker was asked and has not answered
  std::deque<v1::TailResponse> waiting_;  // for the outbox: a few at most
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
