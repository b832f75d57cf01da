#include "agent/front/tail_reactor.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/slow_kinds.h"
#include "lib/base/clock.h"
#include "lib/rpc/grpc_status.h"

namespace specula::agent {
namespace {

constexpr int64_t kUsualLines = 10;
constexpr size_t kRoomBytes = 256 << 10;

// How long a Tail that does not follow waits for a file that does not answer.
constexpr absl::Duration kPatience = absl::Seconds(4);

v1::TailEvent::Kind ToKind(TailItem::Kind kind) {
  switch (kind) {
    case TailItem::Kind::kData:
      break;
    case TailItem::Kind::kRotated:
      return v1::TailEvent::KIND_ROTATED;
    case TailItem::Kind::kTruncated:
      return v1::TailEvent::KIND_TRUNCATED;
    case TailItem::Kind::kMissing:
      return v1::TailEvent::KIND_MISSING;
    case TailItem::Kind::kAppeared:
      return v1::TailEvent::KIND_APPEARED;
    case TailItem::Kind::kSkipped:
      return v1::TailEvent::KIND_SKIPPED;
    case TailItem::Kind::kLinesCut:
      return v1::TailEvent::KIND_LINES_CUT;
  }
  return v1::TailEvent::KIND_UNSPECIFIED;
}

v1::TailResponse ToResponse(TailItem item) {
  v1::TailResponse response;
  if (item.kind == TailItem::Kind::kData) {
    response.set_data(std::move(item.data));
  } else {
    response.mutable_event()->set_kind(ToKind(item.kind));
    response.mutable_event()->set_skipped_bytes(item.skipped_bytes);
  }
  return response;
}

std::string NextKey() {
  static std::atomic<int64_t> count = 0;
  return absl::StrCat(++count);
}

}  // namespace

TailReactor::TailReactor(const Context& context,
                         std::shared_ptr<const Caller> caller, CallAudit audit,
                         const v1::TailRequest& request)
    : context_(context),
      caller_(std::move(caller)),
      key_(NextKey()),
      audit_(std::move(audit)),
      request_(request),
      timer_(context.loop.context()),
      patience_(context.loop.context()) {
  context_.loop.Post([this] { Begin(); });
}

TailReactor::~TailReactor() { link_->reactor = nullptr; }

void TailReactor::Begin() {
  if (ending_) return;  // cancelled before it began
  context_.streams.Add(this);
  TailOptions options;
  options.path = request_.path();
  options.lines = request_.has_lines() ? request_.lines() : kUsualLines;
  options.follow = request_.follow();
  options.wait_for_file = request_.wait_for_file();
  absl::StatusOr<std::unique_ptr<Follower>> follower =
      Follower::Create(std::move(options));
  if (!follower.ok()) {
    End(follower.status());
    return;
  }
  audit_.TailStarted(request_.path());
  std::shared_ptr<Watcher> watcher;
  if (request_.follow()) {
    watcher = context_.hub.watcher();
    subscription_ =
        context_.hub.Add(request_.path(), [this](bool name_changed) {
          next_turn_.arm |= name_changed;
          next_turn_.name_changed |= name_changed;
          due_ = true;
          Pump();
        });
    next_turn_.arm = true;
  }
  file_ = std::make_shared<TailFile>(*std::move(follower), std::move(watcher),
                                     subscription_.value_or(0));
  Pump();
}

void TailReactor::Pump() {
  if (ending_ || file_ == nullptr) return;
  Send();
  if (due_ && turn_ == TurnState::kIdle) StartTurn();
}

// A turn is out at most once, and what happens meanwhile waits in next_turn_.
void TailReactor::StartTurn() {
  due_ = false;
  turn_ = TurnState::kRunning;
  const int64_t number = ++turn_number_;
  // Without room, too: files that lose the name while the reader stands still
  // are found only as long as they have it.
  next_turn_.room_bytes = outbox_.full() || !waiting_.empty() ? 0 : kRoomBytes;
  auto turn = std::make_shared<TailFile::Turn>(std::move(next_turn_));
  next_turn_ = {};
  EventLoop& loop = context_.loop;
  context_.slow.Start(
      {kTails, key_,
       [&loop, link = link_, file = file_, turn]() -> SlowCalls::Apply {
         auto outcome =
             std::make_shared<TailFile::Outcome>(file->Take(std::move(*turn)));
         return [&loop, link, outcome] {
           loop.Post([link, outcome] {
             if (link->reactor == nullptr) return;
             link->reactor->OnTurn(std::move(*outcome));
           });
         };
       }},
      [&loop, link = link_, number] {
        loop.Post([link, number] {
          if (link->reactor != nullptr) link->reactor->OnLateTurn(number);
        });
      });
}

void TailReactor::OnTurn(TailFile::Outcome outcome) {
  patience_.cancel();
  if (std::exchange(turn_, TurnState::kIdle) == TurnState::kLate)
    Add(v1::TailEvent::KIND_ANSWERS);
  if (ending_) return;
  if (outcome.armed.has_value())
    context_.hub.Armed(*subscription_, *outcome.armed);
  if (!outcome.progress.ok()) {
    flush_ = true;
    End(outcome.progress.status());
    return;
  }
  Follower::Progress& progress = *outcome.progress;
  const bool has_item = progress.item.has_value();
  if (has_item) {
    sent_bytes_ += static_cast<int64_t>(progress.item->data.size());
    waiting_.push_back(ToResponse(*std::move(progress.item)));
  }
  if (progress.open.has_value()) Open(*progress.open);
  if (progress.done) {
    flush_ = true;
    End(absl::OkStatus());
    return;
  }
  if (has_item) {
    due_ = true;
  } else {
    WakeAt(progress.wake_time);
    // A file may be silent for days; that it is followed is said at once.
    if (!opening_ && !std::exchange(answered_, true)) {
      StartSendInitialMetadata();
    }
  }
  Pump();
}

void TailReactor::OnLateTurn(int64_t turn) {
  if (turn != turn_number_ || turn_ != TurnState::kRunning || ending_) return;
  turn_ = TurnState::kLate;
  Add(v1::TailEvent::KIND_STALLED);
  if (!request_.follow()) {
    patience_.expires_after(absl::ToChronoNanoseconds(kPatience));
    patience_.async_wait([this](const boost::system::error_code& error) {
      if (error || turn_ != TurnState::kLate) return;
      flush_ = true;
      End(absl::DeadlineExceededError(
          absl::StrCat(request_.path(), ": the file system does not answer")));
    });
  }
  Pump();
}

bool TailReactor::Send() {
  if (!outbox_.full() && !waiting_.empty()) {
    outbox_.MakeNext() = std::move(waiting_.front());
    waiting_.pop_front();
  }
  const v1::TailResponse* message = outbox_.TakeNext();
  if (message == nullptr) return false;
  answered_ = true;
  StartWrite(message);
  // The place that became free.
  if (!waiting_.empty()) {
    outbox_.MakeNext() = std::move(waiting_.front());
    waiting_.pop_front();
  }
  return true;
}

void TailReactor::Add(v1::TailEvent::Kind kind) {
  waiting_.emplace_back().mutable_event()->set_kind(kind);
}

void TailReactor::Open(const std::string& path) {
  opening_ = true;
  context_.broker.With([&](BrokerClient& client) {
    client.Open(path, [this](OpenAnswer answer) {
      opening_ = false;
      if (ending_) {
        GiveAway(std::move(answer));
        MaybeFinish();
        return;
      }
      next_turn_.opened = std::move(answer);
      due_ = true;
      Pump();
    });
  });
}

void TailReactor::GiveAway(OpenAnswer answer) {
  if (!answer.ok()) return;
  auto fd = std::make_shared<UniqueFd>(std::move(answer->first));
  context_.slow.Start({kTails, key_,
                       [fd = std::move(fd)]() mutable -> SlowCalls::Apply {
                         fd.reset();
                         return nullptr;
                       }},
                      nullptr);
}

void TailReactor::WakeAt(absl::Duration time) {
  if (time == absl::InfiniteDuration()) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(absl::ToChronoNanoseconds(
      std::max(absl::ZeroDuration(), time - MonotonicNow())));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    due_ = true;
    Pump();
  });
}

void TailReactor::Written(bool ok) {
  outbox_.Written();
  flush_ = flush_ && ok;
  if (!ok) End(absl::CancelledError("the caller is gone"));
  if (ending_) {
    MaybeFinish();
  } else {
    due_ = true;  // there is room again
    Pump();
  }
}

void TailReactor::End(const absl::Status& status) {
  if (ending_) return;
  ending_ = true;
  end_status_ = status;
  context_.streams.Remove(this);
  if (subscription_.has_value()) context_.hub.Remove(*subscription_);
  timer_.cancel();
  patience_.cancel();
  if (next_turn_.opened.has_value())
    GiveAway(*std::exchange(next_turn_.opened, std::nullopt));
  // The last reference is dropped where that may hang, after the turn that may
  // run.
  if (file_ != nullptr) {
    context_.slow.Start(
        {kTails, key_,
         [file = std::move(file_)]() mutable -> SlowCalls::Apply {
           file.reset();
           return nullptr;
         }},
        nullptr);
    file_ = nullptr;
  }
  MaybeFinish();
}

void TailReactor::MaybeFinish() {
  if (finished_ || outbox_.writing() || opening_) return;
  if (flush_ && Send()) return;
  finished_ = true;
  audit_.Ended(end_status_, sent_bytes_);
  Finish(ToGrpc(end_status_));
}

void TailReactor::OnWriteDone(bool ok) {
  context_.loop.Post([this, ok] { Written(ok); });
}

void TailReactor::OnCancel() {
  context_.loop.Post(
      [this] { End(absl::CancelledError("cancelled by the caller")); });
}

void TailReactor::OnDone() {
  context_.loop.Post([this] { delete this; });
}

}  // namespace specula::agent
