#ifndef SPECULA_AGENT_FRONT_TAIL_FILE_H_
#define SPECULA_AGENT_FRONT_TAIL_FILE_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/broker/client.h"
#include "agent/tail/follower.h"
#include "agent/tail/watcher.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What the broker answered to an Open.
using OpenAnswer = absl::StatusOr<std::pair<UniqueFd, broker::Opened>>;

// The part of a Tail that touches the file system: a Follower, its descriptors
// and its watches. A file system that does not answer may hold up each method
// for ever, the destructor among them, so all are called on threads that may
// hang, one at a time, and the last reference is dropped there.
class TailFile {
 public:
  struct Turn {
    // What happened since the last turn.
    bool arm = false;           // watch what the name leads to now
    bool name_changed = false;  // it may lead elsewhere
    std::optional<OpenAnswer> opened;
    // How much may be read.
    size_t room_bytes = 0;
  };
  struct Outcome {
    absl::StatusOr<Follower::Progress> progress;
    // With `arm`: whether changes will be told.
    std::optional<bool> armed;
  };

  // `watcher` and `id`: where it is armed; null without following.
  TailFile(std::unique_ptr<Follower> follower, std::shared_ptr<Watcher> watcher,
           Watcher::Id id)
      : follower_(std::move(follower)), watcher_(std::move(watcher)), id_(id) {}
  ~TailFile();
  TailFile(const TailFile&) = delete;

  // Takes note of what happened and does one step.
  Outcome Take(Turn turn);

 private:
  const std::unique_ptr<Follower> follower_;
  const std::shared_ptr<Watcher> watcher_;
  const Watcher::Id id_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TAIL_FILE_H_
