#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "shim/frame.h"

// Of any bytes the reader takes all or says why not, holds no more than they
// are, keeps to the limit, and what it found reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using specula::shim::FrameReader;
  if (size == 0) return 0;
  const size_t limit = size_t{data[0]} * 8;
  absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  FrameReader reader;
  while (!bytes.empty()) {
    const size_t before = bytes.size();
    const FrameReader::Event event = reader.Read(bytes, limit);
    if (bytes.size() >= before) abort();
    if (event == FrameReader::Event::kMore) {
      if (!bytes.empty()) abort();
      if (reader.held_bytes() > 2 * size + 64) abort();
      break;
    }
    if (event == FrameReader::Event::kHead) {
      if (reader.head().size() != specula::shim::kHeadBytes ||
          reader.length() > limit) {
        abort();
      }
      continue;
    }
    if (event != FrameReader::Event::kFrame) break;
    const std::string payload = reader.TakePayload();
    if (payload.size() > limit || payload.size() > size) abort();
    std::string frame;
    specula::shim::AppendFrame(payload, frame);
    absl::string_view again = frame;
    FrameReader second;
    FrameReader::Event read = second.Read(again, limit);
    if (payload.size() > specula::shim::kMostShortBytes) {
      if (read != FrameReader::Event::kHead) abort();
      read = second.Read(again, limit);
    }
    if (read != FrameReader::Event::kFrame || second.TakePayload() != payload ||
        !again.empty()) {
      abort();
    }
  }
  return 0;
}
