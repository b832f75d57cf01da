#ifndef SPECULA_CTL_UI_RECORDING_H_
#define SPECULA_CTL_UI_RECORDING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ctl/ui/fleet_event.h"
#include "lib/base/unique_fd.h"

// A fleet's events in a file.
//
//   file    "SPECREC1", block…      the first block is the head
//   block   u32 payload length, u32 length unpacked, u8 kind, 3 bytes 0,
//           i64 first and i64 last time (nanoseconds since 1970),
//           u32 CRC of the payload, u32 CRC of all before it; payload
//   payload zlib of a message of recording.proto
//
// Numbers are little-endian, CRCs those of zlib. A block is written at once, so
// that a recording can be read while it is made, and whatever stands torn at
// its end is left out. Every half minute the state of the whole fleet is
// repeated: to know the fleet at a time nobody need read from the beginning.
namespace specula::ctl {

// Whose events, and how often they were asked for.
struct RecordingHead {
  absl::Duration interval;
  std::vector<FleetHost> hosts;
};

enum class BlockKind : uint8_t {
  kHead = 1,
  kEvents = 2,     // what happened
  kState = 3,      // what is known of the fleet: such blocks start a state
  kStateMore = 4,  // and such go on with it
};

// The file's beginning up to its first block, that included. Pure.
std::string EncodeHead(const RecordingHead& head);

// One block of events, in the order of time. Pure.
std::string EncodeEvents(BlockKind kind, const std::vector<FleetEvent>& events);

// About how much an event takes before it is compressed.
size_t RecordedBytes(const FleetEvent& event);

// Writes a recording. One thread, which waits for the disk: see
// BackgroundRecording.
class RecordingWriter {
 public:
  struct Options {
    // At this size the recording ends, with what was recorded until then.
    uint64_t most_bytes = uint64_t{1} << 30;
  };

  // Makes the file, for its owner only. ALREADY_EXISTS rather than to write
  // over one.
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> Create(
      const std::string& path, const RecordingHead& head,
      const Options& options);
  ~RecordingWriter();  // writes what waits

  // Takes events over. They are written within a second, if Flush or Add is
  // called by then.
  void Add(const std::vector<FleetEvent>& events, absl::Time now);
  // Writes what waits and is old enough.
  void Flush(absl::Time now);

  // Why nothing is recorded any more; OK while it is.
  const absl::Status& status() const { return status_; }
  // Of the file, in bytes.
  uint64_t size() const { return size_; }

 private:
  RecordingWriter(std::string path, UniqueFd file, size_t hosts,
                  const Options& options);
  void WriteWaiting();
  void WriteState(absl::Time now);
  void Write(const std::string& bytes);

  const std::string path_;
  const Options options_;
  UniqueFd file_;
  uint64_t size_ = 0;
  absl::Status status_;
  std::vector<FleetEvent> waiting_;
  size_t waiting_bytes_ = 0;
  absl::Time waiting_since_ = absl::InfiniteFuture();
  absl::Time state_due_ = absl::InfinitePast();
  struct Known {
    std::shared_ptr<const v1::WatchResponse> sample;
    absl::Time sample_time;
    FleetEvent ending;
    bool down = false;
  };
  std::vector<Known> known_;
};

// Reads a recording. Nothing in it is trusted. One thread.
class RecordingReader {
 public:
  // Up to `size` bytes of the file from `offset` on: fewer at its end only.
  using ReadAt =
      std::function<absl::StatusOr<std::string>(uint64_t offset, size_t size)>;
  struct Block {
    uint64_t offset;  // of its payload
    uint32_t length;
    uint32_t unpacked;
    uint32_t crc;
    BlockKind kind;
    absl::Time first, last;
  };

  // `name` is for errors. INVALID_ARGUMENT if it is no recording, or of a
  // version that is not known.
  static absl::StatusOr<RecordingReader> Open(const std::string& path);
  static absl::StatusOr<RecordingReader> Open(ReadAt read, std::string name);

  // Finds the blocks that have come since. DATA_LOSS with the place if
  // something else than a block stands there; what is before it can be read.
  absl::Status Refresh();

  // The events of a block. DATA_LOSS with the place if it is damaged.
  absl::StatusOr<std::vector<FleetEvent>> Read(const Block& block) const;

  const RecordingHead& head() const { return head_; }
  // Without the head; in the order of the file.
  const std::vector<Block>& blocks() const { return blocks_; }

 private:
  RecordingReader(ReadAt read, std::string name)
      : read_(std::move(read)), name_(std::move(name)) {}
  absl::Status ReadHead();
  absl::StatusOr<Block> BlockAt(uint64_t offset) const;
  absl::StatusOr<std::string> Payload(const Block& block) const;
  absl::Status Damage(uint64_t offset, absl::string_view what) const;

  ReadAt read_;
  std::string name_;
  RecordingHead head_;
  std::vector<Block> blocks_;
  uint64_t end_ = 0;  // of the last block
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_RECORDING_H_
