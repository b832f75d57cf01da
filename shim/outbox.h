#ifndef SPECULA_SHIM_OUTBOX_H_
#define SPECULA_SHIM_OUTBOX_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "shim/holdings.h"
#include "shim/wire.h"

namespace specula::shim {

// What is on its way to one peer. Answers go before chunks of streams, chunks
// in the order in which they came. How much lies here is the business of those
// who put it in: see bytes() and Piece::next. What lies in all outboxes
// together is bounded by their Holdings. Loop thread only.
class Outbox {
 public:
  // A frame in two parts, so that chunks are not copied.
  struct Piece {
    std::string header;
    std::string body = {};
    // Told when the next one may come; may be empty. That is when this one has
    // gone; as long as all outboxes together hold little, when it begins to go.
    std::function<void()> next = {};

    size_t bytes() const { return header.size() + body.size(); }
  };

  // `changed` is told whenever room was made or all is gone, `broken` once when
  // nothing can be written any more, `too_much` as a Member's give_up. All must
  // outlive it.
  Outbox(boost::asio::io_context& loop, Wire& wire, Holdings& holdings,
         std::function<void()> changed, std::function<void()> broken,
         std::function<void()> too_much);

  // Whose it is, among the Holdings.
  void SetOwner(std::string owner) { member_.SetOwner(std::move(owner)); }

  void PutAnswer(absl::string_view payload);
  void PutPiece(Piece piece);
  // Takes back what is not on its way, but for answers.
  void DropPieces();

  // Sends what is there, at once as far as the peer has room. `owner` is kept
  // until it has gone or cannot go.
  void Flush(std::shared_ptr<void> owner);

  // Nothing more is begun.
  void Close() { closed_ = true; }

  // Answers that wait, in bytes.
  size_t bytes() const { return answers_.size(); }
  // All that lies here.
  size_t held_bytes() const {
    return answers_.size() + pieces_bytes_ + going_bytes_;
  }
  bool is_empty() const {
    return answers_.empty() && pieces_.empty() && !writing_;
  }
  // Since when nothing was sent; zero while something is on its way.
  absl::Duration quiet_for() const;

 private:
  boost::asio::awaitable<void> WriteAll(std::shared_ptr<void> owner);
  // Says how much lies here.
  void Account();

  boost::asio::io_context& loop_;
  Wire& wire_;
  const Holdings& holdings_;
  const std::function<void()> changed_;
  const std::function<void()> broken_;
  std::string answers_;  // whole frames, but for what was sent of the first
  std::deque<Piece> pieces_;
  size_t pieces_bytes_ = 0;
  size_t going_bytes_ = 0;  // on their way
  Holdings::Member member_;
  bool writing_ = false;
  bool closed_ = false;
  absl::Duration last_write_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_OUTBOX_H_
