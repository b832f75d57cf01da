#include "ctl/ui/recording.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/ui/recording_codec.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "ui/recording.pb.h"

namespace specula::ctl {
namespace {

// A block is written when that much waits, or after this long.
constexpr size_t kBlockBytes = 1 << 20;
constexpr absl::Duration kBlockTime = absl::Seconds(1);
constexpr absl::Duration kStateEvery = absl::Seconds(30);
// What the head may ask of a reader's memory.
constexpr int kMostHosts = 100'000;

// Also of a time beyond what nanoseconds in 64 bits can tell.
absl::Time FromNanos(int64_t nanos) { return absl::FromUnixNanos(nanos); }

std::optional<FleetEvent> FromRecorded(recording::Event& recorded,
                                       size_t hosts) {
  if (recorded.host() >= hosts) return std::nullopt;
  FleetEvent event = {
      FromNanos(recorded.time_nanos()), recorded.host(), nullptr, {}};
  if (recorded.has_sample()) {
    auto sample = std::make_shared<v1::WatchResponse>();
    if (!sample->ParseFromString(recorded.sample())) return std::nullopt;
    event.sample = std::move(sample);
    return event;
  }
  // Outcomes that are not known yet are some failure.
  event.ending.outcome =
      recorded.outcome() <= static_cast<uint32_t>(Outcome::kSkipped)
          ? static_cast<Outcome>(recorded.outcome())
          : Outcome::kFailed;
  event.ending.reason = EscapeControls(recorded.reason());
  return event;
}

}  // namespace

size_t RecordedBytes(const FleetEvent& event) {
  return event.sample == nullptr ? event.ending.reason.size() + 32
                                 : event.sample->ByteSizeLong() + 32;
}

std::string EncodeHead(const RecordingHead& head) {
  recording::Head message;
  message.set_interval_nanos(absl::ToInt64Nanoseconds(head.interval));
  for (const FleetHost& host : head.hosts) {
    recording::Host* to = message.add_hosts();
    to->set_name(host.name);
    to->set_address(host.address);
    to->mutable_labels()->insert(host.labels.begin(), host.labels.end());
  }
  return absl::StrCat(
      kRecordingMagic,
      PackBlock(BlockKind::kHead, absl::UnixEpoch(), absl::UnixEpoch(),
                message.SerializeAsString()));
}

std::string EncodeEvents(BlockKind kind,
                         const std::vector<FleetEvent>& events) {
  recording::Events message;
  absl::Time first = absl::InfiniteFuture();
  absl::Time last = absl::InfinitePast();
  for (const FleetEvent& event : events) {
    recording::Event* to = message.add_events();
    to->set_time_nanos(absl::ToUnixNanos(event.time));
    to->set_host(static_cast<uint32_t>(event.host));
    if (event.sample != nullptr) {
      event.sample->SerializeToString(to->mutable_sample());
    } else {
      to->set_outcome(static_cast<uint32_t>(event.ending.outcome));
      to->set_reason(event.ending.reason);
    }
    first = std::min(first, event.time);
    last = std::max(last, event.time);
  }
  if (events.empty()) first = last = absl::UnixEpoch();
  return PackBlock(kind, first, last, message.SerializeAsString());
}

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::Create(
    const std::string& path, const RecordingHead& head,
    const Options& options) {
  UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid() && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(
        EscapeControls(path),
        ": is already there, and a recording does not write over it"));
  }
  if (!file.valid()) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("open(", EscapeControls(path), ")"));
  }
  std::unique_ptr<RecordingWriter> writer(
      new RecordingWriter(path, std::move(file), head.hosts.size(), options));
  writer->Write(EncodeHead(head));
  RETURN_IF_ERROR(writer->status());
  return writer;
}

RecordingWriter::RecordingWriter(std::string path, UniqueFd file, size_t hosts,
                                 const Options& options)
    : path_(std::move(path)),
      options_(options),
      file_(std::move(file)),
      known_(hosts) {}

RecordingWriter::~RecordingWriter() { WriteWaiting(); }

void RecordingWriter::Add(const std::vector<FleetEvent>& events,
                          absl::Time now) {
  if (!status_.ok()) return;
  for (const FleetEvent& event : events) {
    if (event.host >= known_.size()) continue;
    waiting_since_ = std::min(waiting_since_, now);
    waiting_bytes_ += RecordedBytes(event);
    waiting_.push_back(event);
    Known& known = known_[event.host];
    known.down = event.sample == nullptr;
    if (known.down) {
      known.ending = event;
    } else {
      known.sample = event.sample;
      known.sample_time = event.time;
    }
    if (waiting_bytes_ >= kBlockBytes) WriteWaiting();
  }
  Flush(now);
}

void RecordingWriter::Flush(absl::Time now) {
  if (now - waiting_since_ < kBlockTime) return;
  WriteWaiting();
  if (now >= state_due_) WriteState(now);
}

void RecordingWriter::WriteWaiting() {
  if (!waiting_.empty()) {
    Write(EncodeEvents(BlockKind::kEvents, waiting_));
  }
  waiting_.clear();
  waiting_bytes_ = 0;
  waiting_since_ = absl::InfiniteFuture();
}

// The state comes after the events that made it.
void RecordingWriter::WriteState(absl::Time now) {
  state_due_ = now + kStateEvery;
  std::vector<FleetEvent> part;
  size_t bytes = 0;
  BlockKind kind = BlockKind::kState;
  auto add = [&](const FleetEvent& event) {
    bytes += RecordedBytes(event);
    part.push_back(event);
    if (bytes < kBlockBytes) return;
    Write(EncodeEvents(kind, part));
    kind = BlockKind::kStateMore;
    part.clear();
    bytes = 0;
  };
  for (size_t host = 0; host < known_.size(); ++host) {
    const Known& known = known_[host];
    if (known.sample != nullptr) {
      add({known.sample_time, host, known.sample, {}});
    }
    if (known.down) add(known.ending);
  }
  if (!part.empty()) Write(EncodeEvents(kind, part));
}

void RecordingWriter::Write(const std::string& bytes) {
  if (!status_.ok()) return;
  if (size_ + bytes.size() > options_.most_bytes) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat(EscapeControls(path_), ": has reached its limit of ",
                     FormatBytes(static_cast<int64_t>(options_.most_bytes)),
                     "; nothing more is recorded"));
    return;
  }
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote =
        write(file_.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      status_ = absl::ErrnoToStatus(
          errno, absl::StrCat("write(", EscapeControls(path_),
                              "); nothing more is recorded"));
      // What is torn would hide what came after it, but nothing will.
      return;
    }
    done += static_cast<size_t>(wrote);
  }
  size_ += bytes.size();
}

absl::StatusOr<RecordingReader> RecordingReader::Open(const std::string& path) {
  auto file =
      std::make_shared<UniqueFd>(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file->valid()) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("open(", EscapeControls(path), ")"));
  }
  return Open(
      [file, path](uint64_t offset,
                   size_t size) -> absl::StatusOr<std::string> {
        std::string bytes(size, '\0');
        size_t done = 0;
        while (done < size) {
          const ssize_t got =
              pread(file->get(), bytes.data() + done, size - done,
                    static_cast<off_t>(offset + done));
          if (got < 0 && errno == EINTR) continue;
          if (got < 0) {
            return absl::ErrnoToStatus(
                errno, absl::StrCat("read(", EscapeControls(path), ")"));
          }
          if (got == 0) break;
          done += static_cast<size_t>(got);
        }
        bytes.resize(done);
        return bytes;
      },
      EscapeControls(path));
}

absl::StatusOr<RecordingReader> RecordingReader::Open(ReadAt read,
                                                      std::string name) {
  RecordingReader reader(std::move(read), std::move(name));
  RETURN_IF_ERROR(reader.ReadHead());
  // What is damaged further on is told when it is come to.
  reader.Refresh().IgnoreError();
  return reader;
}

absl::Status RecordingReader::Damage(uint64_t offset,
                                     absl::string_view what) const {
  return absl::DataLossError(
      absl::StrCat(name_, ": byte ", offset, ": ", what));
}

absl::Status RecordingReader::ReadHead() {
  ASSIGN_OR_RETURN(std::string magic, read_(0, kRecordingMagic.size()));
  if (magic != kRecordingMagic) {
    return absl::InvalidArgumentError(absl::StrCat(
        name_,
        ": is no recording of 'specula top --record', or one of another "
        "version: it does not begin with ",
        kRecordingMagic));
  }
  absl::StatusOr<Block> block = BlockAt(magic.size());
  if (absl::IsOutOfRange(block.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": ends within its head"));
  }
  RETURN_IF_ERROR(block.status());
  recording::Head head;
  ASSIGN_OR_RETURN(std::string payload, Payload(*block));
  if (block->kind != BlockKind::kHead || !head.ParseFromString(payload) ||
      head.hosts_size() > kMostHosts || head.interval_nanos() <= 0) {
    return Damage(magic.size(), "is not the head of a recording");
  }
  head_.interval = absl::Nanoseconds(head.interval_nanos());
  for (const recording::Host& host : head.hosts()) {
    FleetHost& to = head_.hosts.emplace_back();
    to.name = host.name();
    to.address = host.address();
    to.labels.insert(host.labels().begin(), host.labels().end());
  }
  end_ = block->offset + block->length;
  return absl::OkStatus();
}

// OUT_OF_RANGE: the file ends before the block does.
absl::StatusOr<RecordingReader::Block> RecordingReader::BlockAt(
    uint64_t offset) const {
  ASSIGN_OR_RETURN(std::string head, read_(offset, kBlockHeadBytes));
  if (head.size() < kBlockHeadBytes) return absl::OutOfRangeError("");
  const std::optional<Block> block = ParseBlockHead(head, offset);
  if (!block.has_value()) return Damage(offset, "is not the head of a block");
  if (block->length > 0) {
    ASSIGN_OR_RETURN(std::string last,
                     read_(block->offset + block->length - 1, 1));
    if (last.empty()) return absl::OutOfRangeError("");
  }
  return *block;
}

absl::Status RecordingReader::Refresh() {
  while (true) {
    absl::StatusOr<Block> block = BlockAt(end_);
    if (absl::IsOutOfRange(block.status())) return absl::OkStatus();
    RETURN_IF_ERROR(block.status());
    if (block->kind == BlockKind::kHead) {
      return Damage(end_, "is a second head");
    }
    end_ = block->offset + block->length;
    blocks_.push_back(*block);
  }
}

absl::StatusOr<std::string> RecordingReader::Payload(const Block& block) const {
  ASSIGN_OR_RETURN(std::string packed, read_(block.offset, block.length));
  std::optional<std::string> payload = UnpackBlock(block, packed);
  if (!payload.has_value()) {
    return Damage(block.offset, "the block is damaged");
  }
  return *std::move(payload);
}

absl::StatusOr<std::vector<FleetEvent>> RecordingReader::Read(
    const Block& block) const {
  ASSIGN_OR_RETURN(std::string payload, Payload(block));
  recording::Events message;
  if (!message.ParseFromString(payload)) {
    return Damage(block.offset, "the block is not of events");
  }
  std::vector<FleetEvent> events;
  events.reserve(static_cast<size_t>(message.events_size()));
  for (recording::Event& recorded : *message.mutable_events()) {
    std::optional<FleetEvent> event =
        FromRecorded(recorded, head_.hosts.size());
    if (!event.has_value()) {
      return Damage(block.offset, absl::StrCat("event ", events.size() + 1,
                                               " of the block is odd"));
    }
    events.push_back(*std::move(event));
  }
  return events;
}

}  // namespace specula::ctl
