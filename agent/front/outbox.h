#ifndef SPECULA_AGENT_FRONT_OUTBOX_H_
#define SPECULA_AGENT_FRONT_OUTBOX_H_

#include <optional>
#include <utility>

namespace specula::agent {

// The two messages of a stream that pauses: one is being written by gRPC, which
// borrows it until it says so, the next is made meanwhile. With both places
// taken its owner makes no more, and whoever feeds it waits. One thread.
template <typename Message>
class Outbox {
 public:
  // Whether a message is on its way.
  bool writing() const { return writing_; }
  // Whether the next one is there; no room for another.
  bool full() const { return next_.has_value(); }

  // An empty next message, in place of the one that there may be.
  Message& MakeNext() { return next_.emplace(); }
  void DropNext() { next_.reset(); }

  // The next message, to be written now; it is valid until Written(). Null if
  // there is none, or one is on its way.
  Message* TakeNext() {
    if (writing_ || !next_.has_value()) return nullptr;
    message_ = *std::move(next_);
    next_.reset();
    writing_ = true;
    return &message_;
  }

  // What was taken has been written, or never will be. Gives it back, so that
  // its memory can be used again before the next TakeNext().
  Message& Written() {
    writing_ = false;
    return message_;
  }

 private:
  Message message_;
  std::optional<Message> next_;
  bool writing_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_OUTBOX_H_
