#ifndef SPECULA_SHIM_FRAME_H_
#define SPECULA_SHIM_FRAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

// Frames, the envelope of the older protocol: the number of bytes of a payload
// in decimal, a newline, the payload. See PROTOCOL.md. Pure.
namespace specula::shim {

// The longest payload that is taken, and sent.
inline constexpr size_t kMostPayloadBytes = 1 << 20;
// From a stranger: an AUTH.
inline constexpr size_t kMostStrangerBytes = 512;

// Finds the frames in a stream of bytes, however it was cut into pieces. Holds
// what has come of one payload and nothing else: a LENGTH reserves no memory.
class FrameReader {
 public:
  enum class Event {
    kMore,      // all bytes were taken; the frame is not whole
    kFrame,     // a payload is there
    kBadFrame,  // what should be a LENGTH is none
    kTooLarge,  // LENGTH is above the limit
  };

  // Takes bytes from the front of `bytes` up to the end of the next frame.
  // Newlines before it are skipped. `limit` is that of this frame's payload.
  // After kBadFrame and kTooLarge nobody knows where the next frame begins: do
  // not go on.
  Event Read(absl::string_view& bytes, size_t limit);

  // The payload, once after each kFrame.
  std::string TakePayload();

  // Whether no frame was begun, so that the stream may end here.
  bool between_frames() const { return state_ == State::kBetween; }

 private:
  enum class State {
    kBetween,
    kAfterReturn,  // between frames, after a '\r'
    kLength,
    kPayload,
  };

  Event ReadLength(char byte, size_t limit);

  State state_ = State::kBetween;
  int digits_ = 0;
  size_t length_ = 0;
  std::string payload_;
};

// Appends a payload, at most kMostPayloadBytes, as a frame.
void AppendFrame(absl::string_view payload, std::string& out);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_FRAME_H_
