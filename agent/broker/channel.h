#ifndef SPECULA_AGENT_BROKER_CHANNEL_H_
#define SPECULA_AGENT_BROKER_CHANNEL_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Bounds of one message. What is longer than the first travels in a sealed
// memfd, because a socket's buffer is small and cannot be sized by the larger
// of the two.
inline constexpr size_t kMaxInlineBytes = 64 << 10;
inline constexpr size_t kMaxMessageBytes = 8 << 20;
inline constexpr size_t kMaxMessageFds = 4;

// A message and the descriptors that came or go with it.
struct Packet {
  std::string bytes;
  std::vector<UniqueFd> fds;
  // Sent after `fds`, but not the channel's to close: for a file whose closing
  // may hang. May be null; null in what is received.
  std::shared_ptr<const UniqueFd> held = {};
};

// One end of the socket between front and broker: whole messages, in order,
// each with its descriptors. Never blocks. What does not fit into the socket
// waits in a queue; who sends looks at `queued` and stops taking on work when
// the other side does not read. Owns its descriptor. Not thread-safe.
class Channel {
 public:
  // Two connected ends, close-on-exec and non-blocking.
  static absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Pair();

  explicit Channel(UniqueFd fd);

  // Sends or queues; the descriptors are closed once they are sent.
  // INVALID_ARGUMENT for a message beyond the bounds; UNAVAILABLE when the
  // other side is gone or the queue is full, and then the channel is of no more
  // use.
  absl::Status Send(Packet packet);

  // Sends what is queued as far as it goes; to be called when fd() is writable.
  absl::Status Flush();

  // The next message, or nothing when none is there. UNAVAILABLE when the other
  // side is gone; INVALID_ARGUMENT for a message that a Channel never sends.
  absl::StatusOr<std::optional<Packet>> Receive();

  int fd() const { return fd_.get(); }
  bool wants_write() const { return !queue_.empty(); }
  size_t queued() const { return queue_.size(); }

 private:
  // False if the socket is full.
  absl::StatusOr<bool> TrySend(const Packet& packet);

  UniqueFd fd_;
  std::deque<Packet> queue_;
  std::vector<char> buffer_;
};

// A memfd named `name` that holds `bytes` and can no more be changed by
// anybody, its offset at 0.
absl::StatusOr<UniqueFd> SealedMemfd(const char* name, absl::string_view bytes);

// True for a memfd whose size and content are fixed.
bool IsSealedMemfd(int fd);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CHANNEL_H_
