#include "shim/outbox.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "lib/base/clock.h"
#include "shim/frame.h"

namespace specula::shim {
namespace {

// A chunk that is read while the last one goes makes bulk output a third
// faster; a few dozen sleeping readers have as much.
constexpr size_t kLittleBytes = 8 << 20;

}  // namespace

Outbox::Outbox(boost::asio::io_context& loop, Wire& wire, Holdings& holdings,
               std::function<void()> changed, std::function<void()> broken,
               std::function<void()> too_much)
    : loop_(loop),
      wire_(wire),
      holdings_(holdings),
      changed_(std::move(changed)),
      broken_(std::move(broken)),
      member_(holdings, std::move(too_much)),
      last_write_(MonotonicNow()) {}

void Outbox::PutAnswer(absl::string_view payload) {
  AppendFrame(payload, answers_);
}

void Outbox::PutPiece(Piece piece) {
  pieces_bytes_ += piece.bytes();
  pieces_.push_back(std::move(piece));
}

void Outbox::DropPieces() {
  pieces_bytes_ = 0;
  pieces_.clear();
}

void Outbox::Account() { member_.Set(held_bytes(), MonotonicNow()); }

void Outbox::Flush(std::shared_ptr<void> owner) {
  if (closed_) return;
  if (writing_) {
    Account();
    return;
  }
  if (!answers_.empty()) {
    // Most answers are short and the peer has room: no coroutine is needed.
    const size_t sent = wire_.WriteNow(answers_);
    if (sent > 0) last_write_ = MonotonicNow();
    answers_.erase(0, sent);
  }
  if (answers_.empty() && pieces_.empty()) return;
  writing_ = true;
  Account();
  boost::asio::co_spawn(
      loop_,
      [this, owner = std::move(owner)]() mutable {
        return WriteAll(std::move(owner));
      },
      boost::asio::detached);
}

// What is on its way is counted until it has gone.
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
      pieces_bytes_ -= piece.bytes();
    }
    going_bytes_ = piece.bytes();
    if (piece.next && holdings_.total() < kLittleBytes) {
      std::exchange(piece.next, {})();
    }
    const auto error = co_await wire_.Write(piece.header, piece.body);
    going_bytes_ = 0;
    last_write_ = MonotonicNow();
    Account();
    if (error) {
      if (!std::exchange(closed_, true)) broken_();
    } else if (piece.next) {
      piece.next();
    }
  }
  writing_ = false;
  changed_();
}

absl::Duration Outbox::quiet_for() const {
  return writing_ ? absl::ZeroDuration() : MonotonicNow() - last_write_;
}

}  // namespace specula::shim
