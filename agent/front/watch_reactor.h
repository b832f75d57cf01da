#ifndef SPECULA_AGENT_FRONT_WATCH_REACTOR_H_
#define SPECULA_AGENT_FRONT_WATCH_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/front/about_agent.h"
#include "agent/front/event_loop.h"
#include "agent/front/stream_set.h"
#include "agent/metrics/sampler.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// One Watch call. It conflates: a snapshot is only taken when the one before it
// is on its way, so a slow reader costs nothing and gets the newest.
//
// gRPC calls the reactions on its own threads, several at a time; they only
// post, and everything else belongs to the loop thread. It deletes itself after
// OnDone.
class WatchReactor final : public grpc::ServerWriteReactor<v1::WatchResponse>,
                           private Stream {
 public:
  // What it works with; must outlive it.
  struct Context {
    EventLoop& loop;
    Sampler& sampler;
    StreamSet& streams;
    // Adds what only the front knows.
    const AboutAgent& about;
  };

  // `request` was validated: see ValidateWatch.
  WatchReactor(const Context& context, std::shared_ptr<const Caller> caller,
               const v1::WatchRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~WatchReactor() override = default;

  const Caller& caller() const override { return *caller_; }
  void End(const absl::Status& status) override;

  void Begin();
  void Primed();
  void ScheduleNext();
  void Tick();
  void Collect();
  // On any thread, while collecting_.
  void CollectStatus();
  void Collected();
  void Written(bool ok);
  // Finishes when nothing is in flight any more.
  void MaybeFinish();

  const Context context_;
  const std::shared_ptr<const Caller> caller_;
  const absl::Duration interval_;
  const v1::ProcessOrder process_order_;
  const size_t process_limit_;
  BaselineSet baselines_{kOwnPolicy};
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer::time_point next_;
  v1::WatchResponse response_;
  int64_t sequence_ = 0;
  bool collecting_ = false;  // the sampler fills what is ours
  bool writing_ = false;
  bool missed_ = false;  // an interval passed while a snapshot was on its way
  bool ending_ = false;
  bool finished_ = false;
  absl::Status end_status_;
};

// Checks a request and gives its interval. INVALID_ARGUMENT names the field.
// Pure.
absl::StatusOr<absl::Duration> ValidateWatch(const v1::WatchRequest& request);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_WATCH_REACTOR_H_
