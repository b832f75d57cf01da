#include "agent/front/watch_reactor.h"

#include <algorithm>
#include <utility>

#include "lib/rpc/grpc_status.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kLeastInterval = absl::Milliseconds(200);
constexpr absl::Duration kMostInterval = absl::Hours(1);
constexpr absl::Duration kUsualInterval = absl::Seconds(2);
constexpr int kMostProcesses = 1000;

}  // namespace

absl::StatusOr<absl::Duration> ValidateWatch(const v1::WatchRequest& request) {
  if (request.process_limit() < 0 || request.process_limit() > kMostProcesses) {
    return absl::InvalidArgumentError("process_limit must be 0 to 1000");
  }
  if (!request.has_interval()) return kUsualInterval;
  const absl::Duration interval = absl::Seconds(request.interval().seconds()) +
                                  absl::Nanoseconds(request.interval().nanos());
  if (interval < kLeastInterval || interval > kMostInterval) {
    return absl::InvalidArgumentError("interval must be 200 ms to 1 hour");
  }
  return interval;
}

WatchReactor::WatchReactor(const Context& context,
                           std::shared_ptr<const Caller> caller,
                           const v1::WatchRequest& request)
    : context_(context),
      caller_(std::move(caller)),
      interval_(ValidateWatch(request).value()),
      process_order_(request.process_order()),
      process_limit_(static_cast<size_t>(request.process_limit())),
      timer_(context.loop.context()) {
  context_.loop.Post([this] { Begin(); });
}

void WatchReactor::Begin() {
  if (ending_) return;  // cancelled before it began
  context_.streams.Add(this);
  unsigned kinds = kStatusCounters;
  if (process_limit_ > 0) kinds |= kProcessCounters;
  collecting_ = true;
  context_.sampler.Prime(kinds, baselines_, [this](absl::Duration) {
    context_.loop.Post([this] { Primed(); });
  });
  // The first snapshot comes as soon as it has true rates, not one interval
  // later.
  next_ = std::chrono::steady_clock::now() +
          absl::ToChronoNanoseconds(kLeastInterval);
  ScheduleNext();
}

void WatchReactor::Primed() {
  collecting_ = false;
  if (ending_) {
    MaybeFinish();
  } else if (missed_) {
    Collect();
  }
}

void WatchReactor::ScheduleNext() {
  timer_.expires_at(next_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    // The reactor may be gone when a cancelled timer says so.
    if (!error) Tick();
  });
}

void WatchReactor::Tick() {
  if (ending_) return;
  ++sequence_;
  // Fixed rate; intervals that were slept through are skipped, not made up for.
  const auto interval = absl::ToChronoNanoseconds(interval_);
  next_ = std::max(next_ + interval, std::chrono::steady_clock::now());
  ScheduleNext();
  if (collecting_ || writing_) {
    missed_ = true;
  } else {
    Collect();
  }
}

void WatchReactor::Collect() {
  missed_ = false;
  collecting_ = true;
  response_.Clear();
  response_.set_sequence(sequence_);
  if (process_limit_ == 0) {
    CollectStatus();
    return;
  }
  context_.sampler.FillProcesses(baselines_, process_order_, process_limit_,
                                 response_.mutable_processes(),
                                 [this](const absl::Status& status) {
                                   // Without a list the rest still counts.
                                   if (!status.ok())
                                     response_.clear_processes();
                                   CollectStatus();
                                 });
}

void WatchReactor::CollectStatus() {
  context_.sampler.FillStatus(baselines_, response_.mutable_status(), [this] {
    context_.loop.Post([this] { Collected(); });
  });
}

void WatchReactor::Collected() {
  collecting_ = false;
  if (ending_) {
    MaybeFinish();
    return;
  }
  context_.about.Fill(response_.mutable_status());
  writing_ = true;
  StartWrite(&response_);
}

void WatchReactor::Written(bool ok) {
  writing_ = false;
  if (!ok) End(absl::CancelledError("the caller is gone"));
  if (ending_) {
    MaybeFinish();
  } else if (missed_) {
    Collect();
  }
}

void WatchReactor::End(const absl::Status& status) {
  if (ending_) return;
  ending_ = true;
  end_status_ = status;
  context_.streams.Remove(this);
  timer_.cancel();
  MaybeFinish();
}

void WatchReactor::MaybeFinish() {
  if (finished_ || collecting_ || writing_) return;
  finished_ = true;
  Finish(ToGrpc(end_status_));
}

void WatchReactor::OnWriteDone(bool ok) {
  context_.loop.Post([this, ok] { Written(ok); });
}

void WatchReactor::OnCancel() {
  context_.loop.Post(
      [this] { End(absl::CancelledError("cancelled by the caller")); });
}

void WatchReactor::OnDone() {
  context_.loop.Post([this] { delete this; });
}

}  // namespace specula::agent
