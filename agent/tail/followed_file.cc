#include "agent/tail/followed_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int64_t kGuardBytes = 64;
constexpr size_t kGuard = kGuardBytes;

absl::StatusOr<std::string> ReadAt(int fd, const std::string& path,
                                   int64_t offset, int64_t length) {
  std::string data(static_cast<size_t>(length), '\0');
  while (true) {
    const ssize_t got = pread(fd, data.data(), data.size(), offset);
    if (got < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    data.resize(static_cast<size_t>(got));
    return data;
  }
}

}  // namespace

FollowedFile::FollowedFile(OpenedFile file, std::string path,
                           absl::Duration now)
    : fd_(std::move(file.fd)),
      path_(std::move(path)),
      device_(file.info.st_dev),
      inode_(file.info.st_ino),
      size_(file.info.st_size),
      modified_(file.info.st_mtim),
      changed_time_(now) {}

bool FollowedFile::IsThat(const struct stat& info) const {
  if (info.st_dev != device_ || info.st_ino != inode_) return false;
  // Some file systems use numbers again at once: what has lost its last name is
  // not what the name stands for.
  struct stat own;
  return fstat(fd_.get(), &own) != 0 || own.st_nlink > 0 || info.st_nlink == 0;
}

void FollowedFile::Refresh(OpenedFile same) {
  struct stat own;
  if (fstat(fd_.get(), &own) == 0 && own.st_size >= same.info.st_size) return;
  fd_ = std::move(same.fd);
}

absl::Status FollowedFile::Observe(absl::Duration now) {
  struct stat info;
  if (fstat(fd_.get(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("fstat(", path_, ")"));
  }
  if (info.st_size < size_) Restart();
  if (info.st_size != size_ || info.st_mtim.tv_sec != modified_.tv_sec ||
      info.st_mtim.tv_nsec != modified_.tv_nsec) {
    changed_time_ = now;
  }
  size_ = info.st_size;
  modified_ = info.st_mtim;
  links_ = info.st_nlink;
  // Near the start there is not enough before the position.
  const auto length = static_cast<int64_t>(guard_.size());
  if (position_ < kGuardBytes && length < std::min(size_, kGuardBytes)) {
    ASSIGN_OR_RETURN(std::string head,
                     ReadAt(fd_.get(), path_, 0, std::min(size_, kGuardBytes)));
    if (head.compare(0, guard_.size(), guard_) != 0) Restart();
    guard_ = std::move(head);
  }
  return absl::OkStatus();
}

absl::Status FollowedFile::Verify() {
  ASSIGN_OR_RETURN(std::string sample, Sample());
  if (sample != guard_) Restart();
  return absl::OkStatus();
}

absl::StatusOr<std::string> FollowedFile::Read(size_t max_bytes, int64_t end) {
  const int64_t there = std::min(end, size_) - position_;
  const auto length = std::clamp<int64_t>(
      there, 0, static_cast<int64_t>(std::min<size_t>(max_bytes, 1 << 30)));
  std::string data;
  if (length > 0) {
    ASSIGN_OR_RETURN(data, ReadAt(fd_.get(), path_, position_, length));
  }
  // After the bytes were read, not before: then none of another content can be
  // taken for a continuation.
  RETURN_IF_ERROR(Verify());
  if (truncated_) return std::string();
  if (static_cast<int64_t>(data.size()) < there) {
    const size_t newline = data.rfind('\n');
    if (newline != std::string::npos) data.resize(newline + 1);
  }
  if (data.empty()) return data;
  const size_t before = static_cast<size_t>(std::min(position_, kGuardBytes));
  position_ += static_cast<int64_t>(data.size());
  if (before + data.size() < kGuard) {
    guard_ = guard_.substr(0, before) + data +
             guard_.substr(std::min(guard_.size(), before + data.size()));
  } else {
    guard_.resize(before);
    guard_.append(data, data.size() - std::min(data.size(), kGuard));
    guard_.erase(0, guard_.size() - kGuard);
  }
  return data;
}

bool FollowedFile::TakeTruncated() { return std::exchange(truncated_, false); }

absl::Status FollowedFile::GoTo(int64_t position) {
  position_ = position;
  guard_.clear();
  if (position == 0) return absl::OkStatus();
  const int64_t length = std::min(position, kGuardBytes);
  ASSIGN_OR_RETURN(guard_, ReadAt(fd_.get(), path_, position - length, length));
  // Truncated since: nothing that it has can be what was.
  if (static_cast<int64_t>(guard_.size()) < length) Restart();
  return absl::OkStatus();
}

int64_t FollowedFile::unread_bytes() const {
  return std::max<int64_t>(0, size_ - position_);
}

void FollowedFile::Restart() {
  position_ = 0;
  guard_.clear();
  truncated_ = true;
}

absl::StatusOr<std::string> FollowedFile::Sample() const {
  const auto length = static_cast<int64_t>(guard_.size());
  if (length == 0) return std::string();
  return ReadAt(fd_.get(), path_, std::max<int64_t>(0, position_ - kGuardBytes),
                length);
}

}  // namespace specula::agent
