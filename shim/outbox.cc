#include "shim/outbox.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "lib/base/clock.h"
#include "shim/frame.h"

namespace specula::shim {

Outbox::Outbox(boost::asio::io_context& loop, Wire& wire,
               std::function<void()> changed, std::function<void()> broken)
    : loop_(loop),
      wire_(wire),
      changed_(std::move(changed)),
      broken_(std::move(broken)),
      last_write_(MonotonicNow()) {}

void Outbox::PutAnswer(absl::string_view payload) {
  AppendFrame(payload, answers_);
}

void Outbox::Flush(std::shared_ptr<void> owner) {
  if (writing_ || closed_) return;
  if (!answers_.empty()) {
    // Most answers are short and the peer has room: no coroutine is needed.
    const size_t sent = wire_.WriteNow(answers_);
    if (sent > 0) last_write_ = MonotonicNow();
    answers_.erase(0, sent);
  }
  if (answers_.empty() && pieces_.empty()) return;
  writing_ = true;
  boost::asio::co_spawn(
      loop_,
      [this, owner = std::move(owner)]() mutable {
        return WriteAll(std::move(owner));
      },
      boost::asio::detached);
}

boost::asio::awaitable<void> Outbox::WriteAll(
    [[maybe_unused]] std::shared_ptr<void> owner) {
  while (!closed_ && (!answers_.empty() || !pieces_.empty())) {
    Piece piece;
    if (!answers_.empty()) {
      piece.header = std::exchange(answers_, {});
      changed_();
    } else {
      piece = std::move(pieces_.front());
      pieces_.pop_front();
      if (piece.leaves) piece.leaves();
    }
    const auto error = co_await wire_.Write(piece.header, piece.body);
    last_write_ = MonotonicNow();
    if (error && !std::exchange(closed_, true)) broken_();
  }
  writing_ = false;
  changed_();
}

absl::Duration Outbox::quiet_for() const {
  return writing_ ? absl::ZeroDuration() : MonotonicNow() - last_write_;
}

}  // namespace specula::shim
