#include "agent/front/tail_reactor.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "lib/base/clock.h"
#include "lib/rpc/grpc_status.h"

namespace specula::agent {
namespace {

constexpr int64_t kUsualLines = 10;
constexpr size_t kRoomBytes = 256 << 10;

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

absl::StatusOr<OpenedFile> ToOpened(
    absl::StatusOr<std::pair<UniqueFd, broker::Opened>> answer) {
  if (!answer.ok()) return answer.status();
  OpenedFile file;
  file.fd = std::move(answer->first);
  if (fstat(file.fd.get(), &file.info) != 0)
    return absl::ErrnoToStatus(errno, "fstat");
  return file;
}

}  // namespace

TailReactor::TailReactor(const Context& context,
                         std::shared_ptr<const Caller> caller, CallAudit audit,
                         const v1::TailRequest& request)
    : context_(context),
      caller_(std::move(caller)),
      audit_(std::move(audit)),
      request_(request),
      timer_(context.loop.context()) {
  context_.loop.Post([this] { Begin(); });
}

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
  follower_ = *std::move(follower);
  if (request_.follow()) {
    subscription_ = context_.hub.Add(
        request_.path(), [this](bool name_changed) { Woken(name_changed); });
    Arm();
  }
  Pump();
}

void TailReactor::Arm() {
  follower_->SetAnnounced(context_.hub.Arm(*subscription_).ok());
}

void TailReactor::Woken(bool name_changed) {
  if (name_changed) {
    Arm();
    follower_->NameMayHaveChanged();
  }
  Pump();
}

void TailReactor::Pump() {
  if (follower_ == nullptr) return;
  while (!ending_) {
    Send();
    if (!Step()) return;
  }
}

bool TailReactor::Send() {
  const v1::TailResponse* message = outbox_.TakeNext();
  if (message == nullptr) return false;
  answered_ = true;
  StartWrite(message);
  return true;
}

bool TailReactor::Step() {
  // Without room, too: files that lose the name while the reader stands still
  // are found only as long as they have it.
  const size_t room = outbox_.full() ? 0 : kRoomBytes;
  absl::StatusOr<Follower::Progress> progress =
      follower_->Step(MonotonicNow(), room);
  if (!progress.ok()) {
    flush_ = true;
    End(progress.status());
    return false;
  }
  const bool has_item = progress->item.has_value();
  if (has_item) {
    sent_bytes_ += static_cast<int64_t>(progress->item->data.size());
    outbox_.MakeNext() = ToResponse(*std::move(progress->item));
  }
  if (progress->open.has_value()) Open(*progress->open);
  if (progress->done) {
    flush_ = true;
    End(absl::OkStatus());
    return false;
  }
  if (!has_item) {
    WakeAt(progress->wake_time);
    // A file may be silent for days; that it is followed is said at once.
    if (!opening_ && !std::exchange(answered_, true)) {
      StartSendInitialMetadata();
    }
  }
  return has_item;
}

void TailReactor::Open(const std::string& path) {
  opening_ = true;
  context_.broker.With([&](BrokerClient& client) {
    client.Open(
        path,
        [this](absl::StatusOr<std::pair<UniqueFd, broker::Opened>> answer) {
          opening_ = false;
          if (ending_) {
            MaybeFinish();
            return;
          }
          follower_->Opened(MonotonicNow(), ToOpened(std::move(answer)));
          // Not from within Step, which may have asked.
          context_.loop.Post([this] { Pump(); });
        });
  });
}

void TailReactor::WakeAt(absl::Duration time) {
  if (time == absl::InfiniteDuration()) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(absl::ToChronoNanoseconds(
      std::max(absl::ZeroDuration(), time - MonotonicNow())));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Pump();
  });
}

void TailReactor::Written(bool ok) {
  outbox_.Written();
  flush_ = flush_ && ok;
  if (!ok) End(absl::CancelledError("the caller is gone"));
  if (ending_) {
    MaybeFinish();
  } else {
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
