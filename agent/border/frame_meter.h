#ifndef SPECULA_AGENT_BORDER_FRAME_METER_H_
#define SPECULA_AGENT_BORDER_FRAME_METER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace specula::agent {

// How many frames of a kind may pass: `per_second` on average, `burst` at once.
struct FrameRate {
  double per_second;
  double burst;
};

// What one caller may send to gRPC 1.51, which has no defense of its own
// against floods of HTTP/2 frames (CVE-2023-44487, CVE-2024-27316 and their
// kind). The rates are far above what callers need, and so low that the answers
// to all of them cost the agent a small part of one processor.
struct FrameLimits {
  // Calls begun and canceled (RST_STREAM).
  FrameRate resets{200, 1000};
  // PING that answers none of ours and follows no data of ours.
  FrameRate pings{100, 500};
  FrameRate settings{50, 1000};
  // PRIORITY, PUSH_PROMISE, GOAWAY, ALTSVC and unknown types.
  FrameRate others{100, 1000};
  // DATA without content that ends nothing.
  FrameRate empty_data{100, 500};
  // Other DATA that is small and ends nothing, and WINDOW_UPDATE.
  FrameRate small{20'000, 40'000};
  // Of one block of headers, compressed; gRPC takes 8 KiB.
  size_t header_block_bytes = 32 << 10;
  int continuations = 4;
  // Open on one connection: twice what SETTINGS allow, for a caller who has not
  // read them yet.
  size_t open_streams = 256;
};

// Counts the tokens of one rate. Not thread-safe.
class FrameTokens {
 public:
  explicit FrameTokens(FrameRate rate) : rate_(rate), tokens_(rate.burst) {}

  // Takes one, or gives the time until there is one. `now` is that of
  // MonotonicNow().
  absl::Duration Take(absl::Duration now);

  // Gives one that costs nothing, up to the burst.
  void Credit();

  // Whether none is missing.
  bool IsWhole(absl::Duration now);

 private:
  void Refill(absl::Duration now);

  FrameRate rate_;
  double tokens_;
  absl::Duration last_ = absl::ZeroDuration();
};

// The tokens of one caller, whatever number of connections he has. Not
// thread-safe.
struct FrameAllowance {
  explicit FrameAllowance(const FrameLimits& limits = FrameLimits());

  // Whether nothing of it is used up.
  bool IsWhole(absl::Duration now);

  const FrameLimits limits;
  FrameTokens resets, pings, settings, others, empty_data, small;
};

// Reads the frames (RFC 9113, section 4.1) of one connection, in both
// directions, and says how much of what the caller sent may go on to gRPC now.
// A caller who is above a rate is slowed down, not cut: what he sends waits
// until there are tokens. He is cut for what no client does: no HTTP/2, endless
// headers, more streams than are allowed. Keeps no content. Pure but for what
// it counts; not thread-safe.
class FrameMeter {
 public:
  // `allowance` must outlive it.
  explicit FrameMeter(FrameAllowance& allowance);

  struct Passed {
    // How many of the bytes may go on. The rest is to be shown again, with what
    // follows it.
    size_t bytes = 0;
    // Above zero: when to show the rest again. Zero: all may go on, or it is
    // cut.
    absl::Duration wait = absl::ZeroDuration();
    // Not empty: the connection is to be cut, for this reason.
    std::string cut;
  };
  // Looks at what comes from the caller. `now` is that of MonotonicNow().
  Passed FromCaller(absl::string_view bytes, absl::Duration now);

  // Looks at what goes to the caller.
  void ToCaller(absl::string_view bytes);

  // Calls that are open.
  size_t open_streams() const { return streams_.size(); }

  // Bytes of requests, of open streams, whose end has not come yet: what the
  // caller can make gRPC keep.
  size_t unfinished_bytes() const { return unfinished_bytes_; }

 private:
  // What is read of one direction: header_bytes of the next frame's header,
  // then `skip` bytes of its content.
  struct Reader {
    unsigned char header[9];
    size_t header_bytes = 0;
    size_t skip = 0;
  };
  struct Frame {
    size_t length = 0;
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
  };
  struct Stream {
    uint32_t id = 0;
    bool caller_ended = false;
    bool we_ended = false;
    size_t bytes = 0;  // of its request
  };

  static Frame Decode(const unsigned char* header);
  static bool IsAck(const Frame& frame) { return (frame.flags & 0x1) != 0; }
  Stream* Find(uint32_t id);
  void Close(Stream* stream);
  void EndOfCaller(Stream* stream);
  // What `frame` costs; null if nothing.
  FrameTokens* CostOf(const Frame& frame);
  // Takes note of a frame that passes. Returns why it must not; empty if it
  // may.
  std::string Note(const Frame& frame);
  std::string NoteHeaders(const Frame& frame);
  std::string NoteBlock(const Frame& frame);
  void NoteOurs(const Frame& frame);

  FrameAllowance& allowance_;
  Reader from_, to_;
  size_t preface_bytes_ = 0;     // of the caller's, that have come
  std::vector<Stream> streams_;  // open; few, so that a search is short
  uint32_t last_stream_ = 0;     // the highest that the caller has opened
  uint32_t block_stream_ = 0;    // whose headers go on in CONTINUATION; 0: none
  size_t block_bytes_ = 0;
  int block_continuations_ = 0;
  bool block_ends_stream_ = false;
  int pings_out_ = 0;     // ours that have no answer yet
  int settings_out_ = 0;  // as well
  size_t unfinished_bytes_ = 0;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_FRAME_METER_H_
