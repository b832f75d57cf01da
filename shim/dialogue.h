#ifndef SPECULA_SHIM_DIALOGUE_H_
#define SPECULA_SHIM_DIALOGUE_H_

#include "absl/strings/string_view.h"
#include "shim/command.h"
#include "shim/error.h"
#include "shim/frame.h"
#include "shim/token.h"

namespace specula::shim {

// What a peer's bytes ask for, in order, as far as that can be told without the
// agent: frames, who he is, what he may. Pure.
class Dialogue {
 public:
  enum class Kind {
    kMore,     // all bytes were taken
    kDo,       // `command` is to be done
    kRefuse,   // `error`, and the connection stays
    kLetIn,    // the right token
    kTurnOut,  // not the right token: kUnauthorized, and the end
    kBreak,    // `error`, and the end, as no frame can be found any more
  };
  struct Step {
    Kind kind = Kind::kMore;
    Command command = {};
    Error error = Error::kBadRequest;
  };

  // `tokens` must outlive it.
  explicit Dialogue(const TokenSet& tokens) : tokens_(tokens) {}

  // Takes bytes from the front of `bytes` up to the next step. After kTurnOut
  // and kBreak do not go on.
  Step Next(absl::string_view& bytes);

  // Who has come in; null: a stranger.
  const TokenSet::Holder* holder() const { return holder_; }

  // Whether the bytes end within a frame, and the memory of what has come of
  // it.
  bool is_cut() const { return !reader_.between_frames(); }
  size_t held_bytes() const { return reader_.held_bytes(); }

  // Lets go of a frame that is not whole. Do not go on.
  void Forget() { reader_.Forget(); }

 private:
  Step Judge(absl::string_view payload);

  const TokenSet& tokens_;
  FrameReader reader_;
  const TokenSet::Holder* holder_ = nullptr;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_DIALOGUE_H_
