#ifndef SPECULA_CTL_UI_RECORDING_CODEC_H_
#define SPECULA_CTL_UI_RECORDING_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "ctl/ui/recording.h"

// The bytes of a recording's blocks; see recording.h.
namespace specula::ctl {

inline constexpr absl::string_view kRecordingMagic = "SPECREC1";
inline constexpr size_t kBlockHeadBytes = 36;
// More than a writer ever puts into a block, unpacked or packed.
inline constexpr uint32_t kMostBlockBytes = 16 << 20;
inline constexpr uint32_t kMostEventBytes = 4 << 20;  // but the head

// A block's head and its payload packed.
std::string PackBlock(BlockKind kind, absl::Time first, absl::Time last,
                      absl::string_view payload);

// Reads a block's head; `offset` is where it stands. Absent: it is none.
std::optional<RecordingReader::Block> ParseBlockHead(absl::string_view head,
                                                     uint64_t offset);

// The payload unpacked. Absent: it is not what its head says.
std::optional<std::string> UnpackBlock(const RecordingReader::Block& block,
                                       absl::string_view packed);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_RECORDING_CODEC_H_
