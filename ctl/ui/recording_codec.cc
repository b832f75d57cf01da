#include "ctl/ui/recording_codec.h"

#include <zlib.h>

#include <utility>

namespace specula::ctl {
namespace {

// Where the CRC of the head stands: it is over all before it.
constexpr size_t kHeadCrcAt = kBlockHeadBytes - 4;

void Put(std::string& bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) {
    bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

uint64_t Get(absl::string_view bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    value |= static_cast<uint64_t>(
                 static_cast<unsigned char>(bytes[at + static_cast<size_t>(i)]))
             << (8 * i);
  }
  return value;
}

uint32_t Crc(absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()),
            static_cast<uInt>(bytes.size())));
}

}  // namespace

std::string PackBlock(BlockKind kind, absl::Time first, absl::Time last,
                      absl::string_view payload) {
  uLongf length = compressBound(payload.size());
  std::string packed(length, '\0');
  // With room for the bound it can fail for want of memory only.
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &length,
                reinterpret_cast<const Bytef*>(payload.data()), payload.size(),
                Z_BEST_SPEED) != Z_OK) {
    length = 0;
  }
  packed.resize(length);
  std::string bytes;
  Put(bytes, packed.size(), 4);
  Put(bytes, payload.size(), 4);
  Put(bytes, static_cast<uint8_t>(kind), 4);
  Put(bytes, static_cast<uint64_t>(absl::ToUnixNanos(first)), 8);
  Put(bytes, static_cast<uint64_t>(absl::ToUnixNanos(last)), 8);
  Put(bytes, Crc(packed), 4);
  Put(bytes, Crc(bytes), 4);
  return bytes + packed;
}

std::optional<RecordingReader::Block> ParseBlockHead(absl::string_view head,
                                                     uint64_t offset) {
  if (head.size() < kBlockHeadBytes ||
      Get(head, kHeadCrcAt, 4) != Crc(head.substr(0, kHeadCrcAt))) {
    return std::nullopt;
  }
  const uint64_t kind = Get(head, 8, 4);
  RecordingReader::Block block = {};
  block.offset = offset + kBlockHeadBytes;
  block.length = static_cast<uint32_t>(Get(head, 0, 4));
  block.unpacked = static_cast<uint32_t>(Get(head, 4, 4));
  block.kind = static_cast<BlockKind>(kind);
  block.first = absl::FromUnixNanos(static_cast<int64_t>(Get(head, 12, 8)));
  block.last = absl::FromUnixNanos(static_cast<int64_t>(Get(head, 20, 8)));
  block.crc = static_cast<uint32_t>(Get(head, 28, 4));
  if (kind < static_cast<uint64_t>(BlockKind::kHead) ||
      kind > static_cast<uint64_t>(BlockKind::kStateMore) ||
      block.length > kMostBlockBytes || block.unpacked > kMostBlockBytes ||
      (block.kind != BlockKind::kHead && block.unpacked > kMostEventBytes) ||
      block.first > block.last) {
    return std::nullopt;
  }
  return block;
}

std::optional<std::string> UnpackBlock(const RecordingReader::Block& block,
                                       absl::string_view packed) {
  if (packed.size() != block.length || Crc(packed) != block.crc) {
    return std::nullopt;
  }
  std::string payload(block.unpacked, '\0');
  uLongf length = block.unpacked;
  if (uncompress(reinterpret_cast<Bytef*>(payload.data()), &length,
                 reinterpret_cast<const Bytef*>(packed.data()),
                 packed.size()) != Z_OK ||
      length != block.unpacked) {
    return std::nullopt;
  }
  return payload;
}

}  // namespace specula::ctl
