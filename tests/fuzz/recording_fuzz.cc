// Recordings, as a file that anybody may have made.
#include <cstddef>
#include <cstdint>
#include <string>

#include "ctl/ui/player.h"
#include "ctl/ui/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using specula::ctl::Player;
  using specula::ctl::RecordingReader;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<RecordingReader> reader = RecordingReader::Open(
      [&bytes](uint64_t offset, size_t count) -> absl::StatusOr<std::string> {
        return offset >= bytes.size() ? "" : bytes.substr(offset, count);
      },
      "fuzz");
  if (!reader.ok()) return 0;
  auto player = Player::Open(*std::move(reader));
  (*player)->SetSpeed(1000);
  (*player)->Take();
  (*player)->SeekTo((*player)->end());
  (*player)->Take();
  (*player)->Step(-1);
  (*player)->Take();
  return 0;
}
