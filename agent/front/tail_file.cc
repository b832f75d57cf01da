#include "agent/front/tail_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "lib/base/clock.h"

namespace specula::agent {
namespace {

absl::StatusOr<OpenedFile> ToOpened(OpenAnswer answer) {
  if (!answer.ok()) return answer.status();
  OpenedFile file;
  file.fd = std::move(answer->first);
  if (fstat(file.fd.get(), &file.info) != 0)
    return absl::ErrnoToStatus(errno, "fstat");
  return file;
}

}  // namespace

TailFile::~TailFile() {
  if (watcher_ != nullptr) watcher_->Remove(id_);
}

TailFile::Outcome TailFile::Take(Turn turn) {
  Outcome outcome{absl::UnknownError(""), std::nullopt};
  // Before the look at the file, so that no change falls in between.
  if (turn.arm && watcher_ != nullptr) {
    outcome.armed = watcher_->Arm(id_).ok();
    follower_->SetAnnounced(*outcome.armed);
  }
  if (turn.name_changed) follower_->NameMayHaveChanged();
  if (turn.opened.has_value()) {
    follower_->Opened(MonotonicNow(), ToOpened(*std::move(turn.opened)));
  }
  outcome.progress = follower_->Step(MonotonicNow(), turn.room_bytes);
  return outcome;
}

}  // namespace specula::agent
