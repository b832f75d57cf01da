#include "shim/frame.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace specula::shim {
namespace {

// More than any number of bytes has; a LENGTH without end is cut short here.
constexpr int kMostDigits = 20;

}  // namespace

FrameReader::Event FrameReader::Read(absl::string_view& bytes, size_t limit) {
  while (!bytes.empty()) {
    if (state_ == State::kHead || state_ == State::kPayload) {
      const bool head = state_ == State::kHead;
      const size_t wanted = head ? kHeadBytes : length_;
      const size_t taken = std::min(bytes.size(), wanted - payload_.size());
      payload_.append(bytes.data(), taken);
      bytes.remove_prefix(taken);
      if (payload_.size() < wanted) return Event::kMore;
      state_ = head ? State::kPayload : State::kBetween;
      return head ? Event::kHead : Event::kFrame;
    }
    const char byte = bytes.front();
    bytes.remove_prefix(1);
    const Event event = ReadLength(byte, limit);
    if (event != Event::kMore) return event;
  }
  return Event::kMore;
}

FrameReader::Event FrameReader::ReadLength(char byte, size_t limit) {
  if (state_ == State::kAfterReturn) {
    if (byte != '\n') return Event::kBadFrame;
    state_ = State::kBetween;
    return Event::kMore;
  }
  if (state_ == State::kBetween) {
    if (byte == '\n') return Event::kMore;
    if (byte == '\r') {
      state_ = State::kAfterReturn;
      return Event::kMore;
    }
    state_ = State::kLength;
    digits_ = 0;
    length_ = 0;
  }
  if (byte == '\n') {
    // There is a digit, or this would be a newline between frames.
    if (length_ > limit) return Event::kTooLarge;
    payload_.clear();
    if (length_ == 0) {
      state_ = State::kBetween;
      return Event::kFrame;
    }
    state_ = length_ > kMostShortBytes ? State::kHead : State::kPayload;
    return Event::kMore;
  }
  const bool padded = digits_ == 1 && length_ == 0;
  if (byte < '0' || byte > '9' || padded) return Event::kBadFrame;
  if (++digits_ > kMostDigits) return Event::kTooLarge;
  // What is above every limit stays there, without an overflow.
  length_ = std::min(length_ * 10 + static_cast<size_t>(byte - '0'),
                     kMostPayloadBytes + 1);
  return Event::kMore;
}

std::string FrameReader::TakePayload() { return std::exchange(payload_, {}); }

size_t FrameReader::held_bytes() const {
  // Up to what an empty string has it is within the reader.
  const size_t bytes = payload_.capacity();
  return bytes == std::string().capacity() ? 0 : bytes;
}

void AppendFrame(absl::string_view payload, std::string& out) {
  absl::StrAppend(&out, payload.size(), "\n", payload);
}

}  // namespace specula::shim
