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
// The longest that is taken whatever it asks for. A stranger's AUTH fits.
inline constexpr size_t kMostShortBytes = 512;
// So much of a longer one says what it asks for; see MostRequestBytes.
inline constexpr size_t kHeadBytes = 6;

// Finds the frames in a stream of bytes, however it was cut into pieces. Holds
// what has come of one payload and nothing else: a LENGTH reserves no memory,
// and what was read leaves none behind.
class FrameReader {
 public:
  enum class Event {
    kMore,      // all bytes were taken; the frame is not whole
    kHead,      // of a payload above kMostShortBytes the head is there
    kFrame,     // a payload is there
    kBadFrame,  // what should be a LENGTH is none
    kTooLarge,  // LENGTH is above the limit
  };

  // Takes bytes from the front of `bytes` up to the end of the next frame.
  // Newlines before it are skipped. `limit` is that of this frame's payload.
  // After kHead go on if it may be as long as length(). After kBadFrame and
  // kTooLarge it cannot be known where the next frame begins: do not go on.
  Event Read(absl::string_view& bytes, size_t limit);

  // After kHead: the first kHeadBytes of the payload, and how long it will be.
  absl::string_view head() const { return payload_; }
  size_t length() const { return length_; }

  // The payload, once after each kFrame.
  std::string TakePayload();

  // Lets go of a payload that is not whole. Do not go on.
  void Forget() { std::string().swap(payload_); }

  // The memory of a payload that is not whole.
  size_t held_bytes() const;

  // Whether no frame was begun, so that the stream may end here.
  bool between_frames() const { return state_ == State::kBetween; }

 private:
  enum class State {
    kBetween,
    kAfterReturn,  // between frames, after a '\r'
    kLength,
    kHead,  // of a payload above kMostShortBytes
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
