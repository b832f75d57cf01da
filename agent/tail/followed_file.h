#ifndef SPECULA_AGENT_TAIL_FOLLOWED_FILE_H_
#define SPECULA_AGENT_TAIL_FOLLOWED_FILE_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/tail/opener.h"

namespace specula::agent {

// One file as it is followed: how far it has been read, and whether it was
// truncated or written anew behind the reader's back. That is noticed by a
// smaller size, or by the 64 bytes before the place that was reached (near the
// start: the first 64) being others than they were.
//
// Owns the descriptor, and so keeps the inode number from being used again.
// Uses fstat and pread only. Not thread-safe.
class FollowedFile {
 public:
  // Reading begins at the start. `path` is for error texts only.
  FollowedFile(OpenedFile file, std::string path, absl::Duration now);

  // Whether `info`, of a file just opened by name, is of this very file.
  bool IsThat(const struct stat& info) const;

  // Continues with another descriptor of the same file if that one sees more:
  // the overlay file system gives the old content to those who opened the file
  // before it was first written to.
  void Refresh(OpenedFile same);

  // Takes note of size, time and links.
  absl::Status Observe(absl::Duration now);

  // Looks whether what was read is still there.
  absl::Status Verify();

  // At most `max_bytes`, none at or beyond `end` or the last observed size. Cut
  // after the last newline if more is to come after it. Empty: nothing there,
  // or truncated() now.
  absl::StatusOr<std::string> Read(size_t max_bytes, int64_t end);

  // Whether content was lost by truncation; true once for each. The position
  // is then the start.
  bool TakeTruncated();
  bool truncated() const { return truncated_; }

  // Goes on at `position`, whatever lies before.
  absl::Status GoTo(int64_t position);

  int fd() const { return fd_.get(); }
  int64_t position() const { return position_; }
  int64_t size() const { return size_; }
  int64_t unread_bytes() const;
  bool deleted() const { return links_ == 0; }
  // The last time when it was seen to have changed.
  absl::Duration changed_time() const { return changed_time_; }

 private:
  void Restart();
  // The bytes that tell whether it is still the same content.
  absl::StatusOr<std::string> Sample() const;

  UniqueFd fd_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
  int64_t position_ = 0;
  int64_t size_ = 0;
  timespec modified_ = {};
  uint64_t links_ = 1;
  absl::Duration changed_time_;
  std::string guard_;  // the 64 bytes before position_, or the first 64
  bool truncated_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_FOLLOWED_FILE_H_
