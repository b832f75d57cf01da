#include "agent/border/frame_meter.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kHeaderBytes = 9;

// RFC 9113, section 6.
enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kResetStream = 3,
  kSettings = 4,
  kPing = 6,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr uint8_t kEndStream = 0x1;
constexpr uint8_t kEndHeaders = 0x4;

// DATA below this carries little for what it costs.
constexpr size_t kSmallBytes = 256;

}  // namespace

void FrameTokens::Refill(absl::Duration now) {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - last_));
  tokens_ = std::min(rate_.burst, tokens_ + seconds * rate_.per_second);
  last_ = now;
}

absl::Duration FrameTokens::Take(absl::Duration now) {
  Refill(now);
  if (tokens_ < 1) return absl::Seconds((1 - tokens_) / rate_.per_second);
  tokens_ -= 1;
  return absl::ZeroDuration();
}

void FrameTokens::Credit() { tokens_ = std::min(rate_.burst, tokens_ + 1); }

bool FrameTokens::IsWhole(absl::Duration now) {
  Refill(now);
  return tokens_ >= rate_.burst;
}

bool FrameAllowance::IsWhole(absl::Duration now) {
  return resets.IsWhole(now) && pings.IsWhole(now) && settings.IsWhole(now) &&
         others.IsWhole(now) && empty_data.IsWhole(now) && small.IsWhole(now);
}

FrameAllowance::FrameAllowance(const FrameLimits& l)
    : limits(l),
      resets(l.resets),
      pings(l.pings),
      settings(l.settings),
      others(l.others),
      empty_data(l.empty_data),
      small(l.small) {}

FrameMeter::FrameMeter(FrameAllowance& allowance) : allowance_(allowance) {}

FrameMeter::Frame FrameMeter::Decode(const unsigned char* header) {
  Frame frame;
  frame.length = static_cast<size_t>(header[0]) << 16 |
                 static_cast<size_t>(header[1]) << 8 | header[2];
  frame.type = header[3];
  frame.flags = header[4];
  frame.stream = static_cast<uint32_t>(header[5] & 0x7f) << 24 |
                 static_cast<uint32_t>(header[6]) << 16 |
                 static_cast<uint32_t>(header[7]) << 8 | header[8];
  return frame;
}

FrameMeter::Stream* FrameMeter::Find(uint32_t id) {
  for (Stream& stream : streams_) {
    if (stream.id == id) return &stream;
  }
  return nullptr;
}

void FrameMeter::Close(Stream* stream) {
  unfinished_bytes_ -= stream->bytes;
  *stream = streams_.back();
  streams_.pop_back();
}

void FrameMeter::EndOfCaller(Stream* stream) {
  unfinished_bytes_ -= stream->bytes;
  stream->bytes = 0;
  stream->caller_ended = true;
  if (stream->we_ended) Close(stream);
}

FrameTokens* FrameMeter::CostOf(const Frame& frame) {
  switch (frame.type) {
    case kData:
      if ((frame.flags & kEndStream) != 0 || frame.length >= kSmallBytes)
        return nullptr;
      return frame.length == 0 ? &allowance_.empty_data : &allowance_.small;
    case kHeaders:
    case kContinuation:
      return nullptr;  // by the streams that they open, and by their block
    case kResetStream:
      return &allowance_.resets;
    case kSettings:
      return IsAck(frame) && settings_out_ > 0 ? nullptr : &allowance_.settings;
    case kPing:
      return IsAck(frame) && pings_out_ > 0 ? nullptr : &allowance_.pings;
    case kWindowUpdate:
      return &allowance_.small;
    default:
      return &allowance_.others;
  }
}

std::string FrameMeter::NoteBlock(const Frame& frame) {
  block_bytes_ += frame.length;
  if (block_bytes_ > allowance_.limits.header_block_bytes) {
    return absl::StrCat("headers of more than ",
                        allowance_.limits.header_block_bytes, " bytes");
  }
  if ((frame.flags & kEndHeaders) == 0) return "";
  block_stream_ = 0;
  if (!block_ends_stream_) return "";
  if (Stream* stream = Find(frame.stream)) EndOfCaller(stream);
  return "";
}

std::string FrameMeter::NoteHeaders(const Frame& frame) {
  block_stream_ = frame.stream;
  block_bytes_ = 0;
  block_continuations_ = 0;
  block_ends_stream_ = (frame.flags & kEndStream) != 0;
  if (frame.stream > last_stream_) {
    last_stream_ = frame.stream;
    if (streams_.size() >= allowance_.limits.open_streams) {
      return absl::StrCat("more than ", allowance_.limits.open_streams,
                          " calls open on one connection");
    }
    streams_.push_back(Stream{frame.stream});
  }
  return NoteBlock(frame);
}

std::string FrameMeter::Note(const Frame& frame) {
  if (block_stream_ != 0 &&
      (frame.type != kContinuation || frame.stream != block_stream_)) {
    return "headers that go on in another frame";
  }
  switch (frame.type) {
    case kData:
      if (Stream* stream = Find(frame.stream)) {
        stream->bytes += frame.length;
        unfinished_bytes_ += frame.length;
        if ((frame.flags & kEndStream) != 0) EndOfCaller(stream);
      }
      return "";
    case kHeaders:
      return NoteHeaders(frame);
    case kContinuation:
      if (block_stream_ == 0) return "a CONTINUATION of nothing";
      if (++block_continuations_ > allowance_.limits.continuations) {
        return absl::StrCat("headers in more than ",
                            allowance_.limits.continuations, " CONTINUATIONs");
      }
      return NoteBlock(frame);
    case kResetStream:
      if (Stream* stream = Find(frame.stream)) Close(stream);
      return "";
    case kSettings:
      if (IsAck(frame) && settings_out_ > 0) --settings_out_;
      return "";
    case kPing:
      if (IsAck(frame) && pings_out_ > 0) --pings_out_;
      return "";
    default:
      return "";
  }
}

// At the head of the loop `passed` bytes are looked at and may go on; what is
// taken note of is just what lies among them.
FrameMeter::Passed FrameMeter::FromCaller(absl::string_view bytes,
                                          absl::Duration now) {
  Passed passed;
  while (preface_bytes_ < kPreface.size() && passed.bytes < bytes.size()) {
    if (bytes[passed.bytes] != kPreface[preface_bytes_]) {
      passed.cut = "no HTTP/2";
      return passed;
    }
    ++preface_bytes_;
    ++passed.bytes;
  }
  while (passed.bytes < bytes.size()) {
    const size_t rest = bytes.size() - passed.bytes;
    if (from_.skip > 0) {
      const size_t skipped = std::min(from_.skip, rest);
      from_.skip -= skipped;
      passed.bytes += skipped;
      continue;
    }
    const size_t missing = kHeaderBytes - from_.header_bytes;
    const size_t taken = std::min(missing, rest);
    memcpy(from_.header + from_.header_bytes, bytes.data() + passed.bytes,
           taken);
    if (taken < missing) {
      from_.header_bytes += taken;
      passed.bytes += taken;
      continue;
    }
    // The header is whole, but its last bytes do not pass before it is paid.
    const Frame frame = Decode(from_.header);
    if (FrameTokens* cost = CostOf(frame)) {
      passed.wait = cost->Take(now);
      if (passed.wait > absl::ZeroDuration()) return passed;
    }
    passed.cut = Note(frame);
    if (!passed.cut.empty()) return passed;
    from_.header_bytes = 0;
    from_.skip = frame.length;
    passed.bytes += taken;
  }
  return passed;
}

void FrameMeter::NoteOurs(const Frame& frame) {
  switch (frame.type) {
    case kData:
      // Clients that measure the bandwidth ask back for each answer.
      allowance_.pings.Credit();
      allowance_.small.Credit();
      [[fallthrough]];
    case kHeaders:
      if ((frame.flags & kEndStream) == 0) return;
      if (Stream* stream = Find(frame.stream)) {
        stream->we_ended = true;
        if (stream->caller_ended) Close(stream);
      }
      return;
    case kResetStream:
      if (Stream* stream = Find(frame.stream)) Close(stream);
      return;
    case kSettings:
      if (!IsAck(frame)) ++settings_out_;
      return;
    case kPing:
      if (!IsAck(frame)) ++pings_out_;
      return;
    default:
      return;
  }
}

// At the head of the loop the frames that begin in `bytes` are noted.
void FrameMeter::ToCaller(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (to_.skip > 0) {
      const size_t skipped = std::min(to_.skip, bytes.size());
      to_.skip -= skipped;
      bytes.remove_prefix(skipped);
      continue;
    }
    const size_t taken =
        std::min(kHeaderBytes - to_.header_bytes, bytes.size());
    memcpy(to_.header + to_.header_bytes, bytes.data(), taken);
    to_.header_bytes += taken;
    bytes.remove_prefix(taken);
    if (to_.header_bytes < kHeaderBytes) return;
    const Frame frame = Decode(to_.header);
    to_.header_bytes = 0;
    to_.skip = frame.length;
    NoteOurs(frame);
  }
}

}  // namespace specula::agent
