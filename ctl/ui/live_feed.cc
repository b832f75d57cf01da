#include "ctl/ui/live_feed.h"

#include <grpcpp/alarm.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "clients/cpp/watch_call.h"
#include "ctl/from_proto.h"
#include "ctl/give_back_memory.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {
namespace {

// How often hosts are looked through for what is due. Looking at a thousand
// takes microseconds.
constexpr absl::Duration kTick = absl::Milliseconds(50);
// The same while hosts wait for others to have connected.
constexpr absl::Duration kBusyTick = absl::Milliseconds(5);
// Streams begun between two looks: a channel costs two thirds of a millisecond.
// A stream on a channel that stands is had for a fraction of that.
constexpr size_t kBeginAtOnce = 16;
constexpr size_t kBeginOnKeptAtOnce = 128;
// A host that is still connecting after this hangs.
constexpr absl::Duration kHangs = absl::Milliseconds(300);
// Snapshots that may come at once, as after the controller was stopped for a
// while; in the long run there may be twice as many as asked for.
constexpr double kBurst = 20;
constexpr size_t kMostSnapshotBytes = 1 << 20;
// Hosts that come and go leave a heap full of holes: what connections and their
// TLS took is given back this often, or it would grow with every new one.
constexpr absl::Duration kTrimEvery = absl::Seconds(10);
// Rates need two snapshots, where the first does not have them.
constexpr int kEnoughSnapshots = 2;
// How many connections of hosts that are settled are left for the process's end
// to close.
constexpr size_t kMostKept = 256;

struct Host {
  Endpoint endpoint;
  // Kept while its connection stands; one that has lost it is given up, since
  // gRPC would go on dialling by its own clock.
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<WatchCall> call;
  uint64_t stream = 0;  // counts its streams; what an old one says is void
  bool open = false;    // a stream is begun and has not ended
  bool reopen = false;  // it begins again, with what is asked for now
  bool dials = false;   // it has to connect first
  absl::Time due = absl::InfinitePast();  // without a stream: to be begun then
  absl::Time begun;
  absl::Time heard = absl::InfinitePast();  // by this stream
  int snapshots = 0;                        // of this stream
  bool settled = false;                     // with Options::once; for good
  absl::Duration backoff;
  double allowance = kBurst;  // snapshots that may come; refilled with time
  // What waits to be taken.
  bool waiting = false;
  FleetEvent sample;
  std::optional<FleetEvent> ending;
};

}  // namespace

// Shared with the callbacks of streams and timers, which may come after the
// feed has gone. Streams are begun and cancelled by ticks only, one after the
// other, and at the close.
class LiveFeed::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const std::vector<Endpoint>& hosts, Credentials credentials,
       const Options& options);

  void Close();
  News Take();
  int wake_fd() const { return wake_.get(); }
  void FocusOn(std::optional<size_t> host, v1::ProcessOrder order);
  void SetInterval(absl::Duration interval);
  void Refresh();
  void Pause(bool paused);
  bool AllSettled();
  void SetTimer(absl::Duration within);

 private:
  // A stream to be begun.
  struct Begin {
    size_t host;
    uint64_t stream;
    v1::WatchRequest request;
    std::shared_ptr<grpc::Channel> channel;
  };
  struct Due {
    std::vector<Begin> begins;
    std::vector<std::shared_ptr<WatchCall>> cancels;
    bool more = false;  // hosts wait for a place among those that connect
  };

  void Tick();
  Due FindDue() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MustEnd(const Host& host, absl::Time now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginStream(Begin begin) ABSL_LOCKS_EXCLUDED(mutex_);
  bool OnSnapshot(size_t index, uint64_t stream, v1::WatchResponse response)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnFinished(size_t index, uint64_t stream, bool connected,
                  const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether with this snapshot of a host all is there that is wanted of it.
  bool IsEnoughLocked(const Host& host, const v1::WatchResponse& sample) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // With Options::once: nothing further is asked of the host.
  void SettleLocked(Host& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The end of a stream that nobody wanted to end.
  void EndLocked(size_t index, Ending ending)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes the stream from the host; what it says from now on is void.
  std::shared_ptr<WatchCall> DropLocked(Host& host)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLocked(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::WatchRequest RequestFor(size_t index) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Credentials credentials_;
  const Options options_;
  const UniqueFd wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  absl::Time trim_due_ = absl::InfinitePast();  // the ticks'

  absl::Mutex mutex_;
  std::vector<Host> hosts_ ABSL_GUARDED_BY(mutex_);
  std::vector<size_t> news_ ABSL_GUARDED_BY(mutex_);  // who has some
  absl::Duration interval_ ABSL_GUARDED_BY(mutex_);
  std::optional<size_t> focus_ ABSL_GUARDED_BY(mutex_);
  v1::ProcessOrder order_ ABSL_GUARDED_BY(mutex_) = v1::PROCESS_ORDER_CPU;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // whose turn it is to begin
  size_t settled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_){std::random_device()()};
};

LiveFeed::Core::Core(const std::vector<Endpoint>& hosts,
                     Credentials credentials, const Options& options)
    : credentials_(std::move(credentials)),
      options_(options),
      hosts_(hosts.size()),
      interval_(options.interval) {
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < hosts.size(); ++i) {
    hosts_[i].endpoint = hosts[i];
    hosts_[i].backoff = options.first_backoff;
  }
}

void LiveFeed::Core::SetTimer(absl::Duration within) {
  // The timer owns itself until it has fired: gRPC's may not be set anew by
  // its own callback.
  auto alarm = std::make_shared<grpc::Alarm>();
  grpc::Alarm* const timer = alarm.get();
  timer->Set(absl::ToChronoTime(absl::Now() + within),
             [alarm = std::move(alarm), weak = weak_from_this()](bool) mutable {
               const std::shared_ptr<grpc::Alarm> self = std::move(alarm);
               if (auto core = weak.lock()) core->Tick();
             });
}

void LiveFeed::Core::Tick() {
  Due due = FindDue();
  // gRPC may call back at once, so never with the lock.
  for (const std::shared_ptr<WatchCall>& call : due.cancels) call->Cancel();
  for (Begin& begin : due.begins) BeginStream(std::move(begin));
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
  }
  if (const absl::Time now = SteadyNow(); now > trim_due_) {
    if (trim_due_ != absl::InfinitePast()) GiveBackMemory();
    trim_due_ = now + kTrimEvery;
  }
  // Never long at a time: gRPC has other work for this thread.
  SetTimer(due.begins.size() >= kBeginAtOnce ? absl::ZeroDuration()
           : due.more                        ? kBusyTick
                                             : kTick);
}

bool LiveFeed::Core::MustEnd(const Host& host, absl::Time now) const {
  if (!host.open || host.call == nullptr) return false;
  if (paused_ || host.reopen) return true;
  // Before the first snapshot it is answer_within that ends it.
  return host.heard != absl::InfinitePast() &&
         now - host.heard > 3 * interval_ + options_.silence;
}

LiveFeed::Core::Due LiveFeed::Core::FindDue() {
  Due due;
  const absl::Time now = SteadyNow();
  absl::MutexLock lock(&mutex_);
  if (closed_) return due;
  size_t connecting = 0;
  for (const Host& host : hosts_) {
    if (host.open && host.dials && host.heard == absl::InfinitePast() &&
        now - host.begun < kHangs) {
      ++connecting;
    }
  }
  const size_t count = hosts_.size();
  const size_t first = next_;
  size_t dialled = 0;
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t index = (first + i) % count;
    Host& host = hosts_[index];
    const bool dials = host.channel == nullptr;
    const bool may_begin =
        !paused_ &&
        (dials ? dialled < kBeginAtOnce && connecting < options_.connecting
               : kept < kBeginOnKeptAtOnce);
    if (MustEnd(host, now) && (paused_ || may_begin)) {
      due.cancels.push_back(DropLocked(host));
      host.due = now;
      // It was heard of and fell silent.
      if (options_.once && !paused_) SettleLocked(host);
    }
    if (host.open || host.settled || host.due > now || paused_) continue;
    if (!may_begin) {
      due.more = true;
      continue;
    }
    host.open = true;
    host.dials = dials;
    host.reopen = false;
    host.begun = now;
    host.heard = absl::InfinitePast();
    host.snapshots = 0;
    host.allowance = kBurst;
    ++(dials ? dialled : kept);
    if (dials) ++connecting;
    due.begins.push_back(
        {index, ++host.stream, RequestFor(index), host.channel});
    next_ = index + 1;
  }
  return due;
}

v1::WatchRequest LiveFeed::Core::RequestFor(size_t index) const {
  v1::WatchRequest request;
  *request.mutable_interval() = ToProto(interval_);
  if (focus_ == index) {
    request.set_process_limit(kFocusedProcesses);
    request.set_process_order(order_);
  }
  return request;
}

void LiveFeed::Core::BeginStream(Begin begin) {
  Endpoint endpoint;
  {
    absl::MutexLock lock(&mutex_);
    endpoint = hosts_[begin.host].endpoint;
  }
  if (begin.channel == nullptr) {
    begin.channel = MakeChannel(endpoint, credentials_);
  }
  WatchEvents events;
  events.snapshot = [weak = weak_from_this(), host = begin.host,
                     stream = begin.stream](v1::WatchResponse response) {
    const std::shared_ptr<Core> core = weak.lock();
    return core != nullptr &&
           core->OnSnapshot(host, stream, std::move(response));
  };
  events.finished = [weak = weak_from_this(), host = begin.host,
                     stream = begin.stream,
                     channel = begin.channel](const absl::Status& status) {
    const bool connected = channel->GetState(false) == GRPC_CHANNEL_READY;
    if (auto core = weak.lock()) {
      core->OnFinished(host, stream, connected, status);
    }
  };
  std::shared_ptr<WatchCall> call = WatchCall::Create(
      begin.channel, begin.request, {.answer_within = options_.answer_within},
      std::move(events));
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    hosts_[begin.host].channel = begin.channel;
    hosts_[begin.host].call = call;
  }
  call->Start();
}

bool LiveFeed::Core::IsEnoughLocked(const Host& host,
                                    const v1::WatchResponse& sample) const {
  return options_.once && (sample.status().cpu().has_utilization() ||
                           host.snapshots >= kEnoughSnapshots);
}

void LiveFeed::Core::SettleLocked(Host& host) {
  host.settled = true;
  if (++settled_ > kMostKept) host.channel.reset();
}

bool LiveFeed::Core::AllSettled() {
  absl::MutexLock lock(&mutex_);
  return settled_ == hosts_.size();
}

bool LiveFeed::Core::OnSnapshot(size_t index, uint64_t stream,
                                v1::WatchResponse response) {
  const absl::Time now = SteadyNow();
  const size_t bytes = response.ByteSizeLong();
  auto sample = std::make_shared<const v1::WatchResponse>(std::move(response));
  std::shared_ptr<WatchCall> cut;
  {
    absl::MutexLock lock(&mutex_);
    Host& host = hosts_[index];
    if (closed_ || host.stream != stream || !host.open) return false;
    const absl::Time before =
        host.heard == absl::InfinitePast() ? now : host.heard;
    host.heard = now;
    ++host.snapshots;
    host.allowance =
        std::min(kBurst, host.allowance +
                             2 * absl::FDivDuration(now - before, interval_));
    host.allowance -= 1;
    if (bytes > kMostSnapshotBytes) {
      cut = DropLocked(host);
      // gRPC has taken megabytes for so fast a connection.
      host.channel.reset();
      EndLocked(index, {Outcome::kFailed,
                        absl::StrCat("sent a snapshot of ",
                                     FormatBytes(static_cast<int64_t>(bytes)),
                                     ", and was cut off")});
    } else {
      const bool enough = IsEnoughLocked(host, *sample);
      host.sample = {now, index, std::move(sample), {}};
      TellLocked(index);
      if (enough) {
        cut = DropLocked(host);
        SettleLocked(host);
      } else if (host.allowance < 0) {
        cut = DropLocked(host);
        host.channel.reset();
        EndLocked(index,
                  {Outcome::kFailed,
                   absl::StrCat("sends snapshots much faster than every ",
                                absl::FormatDuration(interval_),
                                " as it was asked to, and was cut off")});
      } else if (now - host.begun >= options_.good) {
        host.backoff = options_.first_backoff;
      }
    }
  }
  if (cut == nullptr) return true;
  cut->Cancel();
  return false;
}

void LiveFeed::Core::OnFinished(size_t index, uint64_t stream, bool connected,
                                const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  Host& host = hosts_[index];
  if (closed_ || host.stream != stream || !host.open) return;
  Ending ending = ClassifyEnding(status, host.endpoint);
  if (ending.outcome == Outcome::kOk) {
    ending = {Outcome::kLost, "the agent ended the stream"};
  }
  DropLocked(host);
  if (!connected) host.channel.reset();  // the caller has it still
  EndLocked(index, std::move(ending));
}

std::shared_ptr<WatchCall> LiveFeed::Core::DropLocked(Host& host) {
  host.open = false;
  ++host.stream;
  return std::exchange(host.call, nullptr);
}

void LiveFeed::Core::EndLocked(size_t index, Ending ending) {
  Host& host = hosts_[index];
  const absl::Time now = SteadyNow();
  std::uniform_real_distribution<double> jitter(0.75, 1.25);
  host.due = now + host.backoff * jitter(random_);
  host.backoff = std::min(host.backoff * 2, options_.most_backoff);
  host.ending = FleetEvent{now, index, nullptr, std::move(ending)};
  TellLocked(index);
  if (options_.once) SettleLocked(host);
}

void LiveFeed::Core::TellLocked(size_t index) {
  if (std::exchange(hosts_[index].waiting, true)) return;
  news_.push_back(index);
  if (news_.size() > 1) return;
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_.get(), &one, sizeof one);
}

Feed::News LiveFeed::Core::Take() {
  News news;
  {
    absl::MutexLock lock(&mutex_);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t got = read(wake_.get(), &count, sizeof count);
    for (const size_t index : news_) {
      Host& host = hosts_[index];
      host.waiting = false;
      if (host.sample.sample != nullptr) {
        news.events.push_back(std::exchange(host.sample, {}));
      }
      if (host.ending.has_value()) {
        news.events.push_back(*std::exchange(host.ending, std::nullopt));
      }
    }
    news_.clear();
  }
  std::stable_sort(
      news.events.begin(), news.events.end(),
      [](const FleetEvent& a, const FleetEvent& b) { return a.time < b.time; });
  return news;
}

void LiveFeed::Core::FocusOn(std::optional<size_t> host,
                             v1::ProcessOrder order) {
  absl::MutexLock lock(&mutex_);
  if (host.has_value() && *host >= hosts_.size()) host.reset();
  if (focus_ == host && (order_ == order || !host.has_value())) return;
  for (const std::optional<size_t>& index : {focus_, host}) {
    if (index.has_value()) hosts_[*index].reopen = hosts_[*index].open;
  }
  focus_ = host;
  order_ = order;
}

void LiveFeed::Core::SetInterval(absl::Duration interval) {
  absl::MutexLock lock(&mutex_);
  if (interval_ == interval) return;
  interval_ = interval;
  for (Host& host : hosts_) host.reopen = host.open;
}

void LiveFeed::Core::Refresh() {
  absl::MutexLock lock(&mutex_);
  for (Host& host : hosts_) {
    // A stream that is begun anew brings its first snapshot at once. One that
    // has brought none yet is asking already.
    host.reopen = host.open && host.heard != absl::InfinitePast();
    host.due = absl::InfinitePast();
    host.backoff = options_.first_backoff;
  }
}

void LiveFeed::Core::Pause(bool paused) {
  absl::MutexLock lock(&mutex_);
  paused_ = paused;
}

void LiveFeed::Core::Close() {
  std::vector<std::shared_ptr<WatchCall>> calls;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    for (Host& host : hosts_) {
      if (host.call != nullptr) calls.push_back(std::move(host.call));
      channels.push_back(std::move(host.channel));
    }
  }
  for (const std::shared_ptr<WatchCall>& call : calls) call->Cancel();
}

LiveFeed::LiveFeed(const std::vector<Endpoint>& hosts,
                   const Credentials& credentials, const Options& options)
    : core_(std::make_shared<Core>(hosts, credentials, options)) {
  core_->SetTimer(absl::ZeroDuration());
}

LiveFeed::~LiveFeed() { core_->Close(); }

Feed::News LiveFeed::Take() { return core_->Take(); }

int LiveFeed::wake_fd() const { return core_->wake_fd(); }

absl::Time LiveFeed::Now() const { return SteadyNow(); }

void LiveFeed::FocusOn(std::optional<size_t> host, v1::ProcessOrder order) {
  core_->FocusOn(host, order);
}

void LiveFeed::SetInterval(absl::Duration interval) {
  core_->SetInterval(interval);
}

void LiveFeed::Refresh() { core_->Refresh(); }

bool LiveFeed::AllSettled() { return core_->AllSettled(); }

void LiveFeed::Pause(bool paused) { core_->Pause(paused); }

}  // namespace specula::ctl
