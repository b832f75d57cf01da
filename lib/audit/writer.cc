#include "lib/audit/writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "lib/audit/line.h"
#include "lib/audit/tail.h"
#include "lib/base/status_macros.h"

namespace specula::audit {
namespace {

absl::Status Failed(absl::string_view what, absl::string_view path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

// A log that others may write proves nothing.
absl::Status CheckFile(const struct stat& info, const std::string& path) {
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a regular file"));
  }
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " belongs to user ", info.st_uid, ", not to user ",
                     geteuid(), " or root"));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("others may write ", path, "; run: chmod 600 ", path));
  }
  return absl::OkStatus();
}

// Reads the `length` bytes before `end`.
absl::StatusOr<std::string> ReadBefore(int fd, int64_t end, size_t length,
                                       const std::string& path) {
  std::string text(length, '\0');
  size_t have = 0;
  while (have < length) {
    const ssize_t got =
        pread(fd, text.data() + have, length - have,
              static_cast<off_t>(end - static_cast<int64_t>(length - have)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("cannot read", path);
    if (got == 0) {
      return absl::UnavailableError(absl::StrCat(path, " became shorter"));
    }
    have += static_cast<size_t>(got);
  }
  return text;
}

// Whether a last line, of a file of `size` bytes, lacks its newline.
absl::StatusOr<bool> IsUnterminated(int fd, int64_t size,
                                    const std::string& path) {
  if (size == 0) return false;
  ASSIGN_OR_RETURN(const std::string last, ReadBefore(fd, size, 1, path));
  return last[0] != '\n';
}

}  // namespace

absl::StatusOr<std::unique_ptr<Writer>> Writer::Open(std::string path,
                                                     std::string version) {
  std::unique_ptr<Writer> writer(
      new Writer(std::move(path), std::move(version)));
  RETURN_IF_ERROR(writer->Start());
  return writer;
}

absl::Status Writer::Append(Record record) {
  absl::MutexLock lock(&mutex_);
  return AppendLocked(std::move(record));
}

void Writer::AddLost(int64_t count, absl::string_view why) {
  absl::MutexLock lock(&mutex_);
  CountLost(count, why);
}

absl::Status Writer::Close() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(AppendLocked({.stage = Stage::kClosed, .pid = getpid()}));
  const int synced = fdatasync(fd_.get());
  absl::Status status =
      synced == 0 ? absl::OkStatus() : Failed("cannot sync", path_);
  fd_.Reset();
  return status;
}

absl::Status Writer::Start() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(OpenFile());
  RETURN_IF_ERROR(ContinueChain());
  return Write({.stage = Stage::kOpened, .pid = getpid(), .version = version_});
}

absl::Status Writer::OpenFile() {
  // O_NONBLOCK: a FIFO in place of the file must not hang the program.
  UniqueFd fd(open(path_.c_str(),
                   O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                       O_NOCTTY | O_NONBLOCK,
                   0600));
  if (!fd.valid() && errno == ELOOP) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " is a symbolic link"));
  }
  if (!fd.valid()) return Failed("cannot open", path_);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return Failed("cannot stat", path_);
  RETURN_IF_ERROR(CheckFile(info, path_));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("cannot lock", path_);
    return absl::UnavailableError(
        absl::StrCat("another program is writing ", path_));
  }
  // What the last writer wrote while this one waited for nothing counts too.
  if (fstat(fd.get(), &info) != 0) return Failed("cannot stat", path_);
  ASSIGN_OR_RETURN(const bool unterminated,
                   IsUnterminated(fd.get(), info.st_size, path_));
  fd_ = std::move(fd);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  size_ = info.st_size;
  unterminated_ = unterminated;
  torn_ = false;
  return absl::OkStatus();
}

absl::Status Writer::ContinueChain() {
  if (size_ > 0) return ContinueFrom(fd_.get(), size_, path_);
  // Rotated while nobody wrote. A part that cannot be read, or is no log, is as
  // one that is not there: the chain begins anew, and its seq says so.
  const std::string rotated = absl::StrCat(path_, ".1");
  const UniqueFd part(open(rotated.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
                                                O_NOCTTY | O_NONBLOCK));
  struct stat info;
  if (part.valid() && fstat(part.get(), &info) == 0 && info.st_size > 0 &&
      CheckFile(info, rotated).ok()) {
    ContinueFrom(part.get(), info.st_size, rotated).IgnoreError();
  }
  return absl::OkStatus();
}

// Continues the chain of the first `size` bytes of `fd`, which `path` names.
absl::Status Writer::ContinueFrom(int fd, int64_t size,
                                  const std::string& path) {
  const size_t length =
      static_cast<size_t>(std::min<int64_t>(size, kMaxTailBytes));
  ASSIGN_OR_RETURN(const std::string text, ReadBefore(fd, size, length, path));
  const Tail tail = ScanTail(text);
  if (!tail.last && static_cast<int64_t>(length) < size) {
    return absl::DataLossError(absl::StrCat("the last ", length, " bytes of ",
                                            path,
                                            " hold no record; move it away"));
  }
  bool closed = false;
  if (tail.last) {
    const std::optional<LineHead> head = ScanLine(*tail.last);
    chain_ = {head->seq + 1, hash_.Of(*tail.last)};
    closed = head->stage == StageName(Stage::kClosed);
  }
  if (tail.torn) {
    chain_.prev = hash_.Of(*tail.torn);
    AddToGap(
        "the last line is torn: its writer or the host crashed; records may "
        "be missing");
    gap_->torn_bytes = static_cast<int64_t>(tail.torn->size());
  } else if (!closed || unterminated_) {
    AddToGap(
        "the last writer did not close the log: it was killed or the host "
        "crashed; records may be missing");
  }
  return absl::OkStatus();
}

absl::Status Writer::AppendLocked(Record record) {
  if (!fd_.valid()) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " is closed"));
  }
  absl::Status status = FollowPath();
  if (status.ok()) status = Write(std::move(record));
  if (!status.ok()) CountLost(1, status.message());
  return status;
}

// Finds out whether the file is still the one that `path_` names, and as long
// as it was left.
absl::Status Writer::FollowPath() {
  struct stat info;
  if (lstat(path_.c_str(), &info) != 0) {
    if (errno != ENOENT) return Failed("cannot stat", path_);
    info = {};  // of no file
  }
  if (info.st_ino != inode_ || info.st_dev != device_) {
    RETURN_IF_ERROR(OpenFile());
    if (size_ > 0) {
      AddToGap(absl::StrCat("the file that came in its place held ", size_,
                            " bytes"));
    }
    return absl::OkStatus();
  }
  if (torn_) return CutBack();
  if (info.st_size == size_) return absl::OkStatus();
  AddToGap(absl::StrCat("another program changed the file: it had ",
                        info.st_size, " bytes instead of ", size_));
  ASSIGN_OR_RETURN(unterminated_,
                   IsUnterminated(fd_.get(), info.st_size, path_));
  size_ = info.st_size;
  return absl::OkStatus();
}

// The first reason stays; later ones tend to follow from it.
void Writer::AddToGap(absl::string_view why) {
  if (gap_) return;
  gap_ =
      Record{.stage = Stage::kGap, .pid = getpid(), .error = std::string(why)};
}

void Writer::CountLost(int64_t count, absl::string_view why) {
  AddToGap(why);
  gap_->lost = gap_->lost.value_or(0) + count;
}

void Writer::AddLine(Record record, Chain& chain, std::string& bytes) {
  // Given here, so that times stand in the order of the lines.
  if (record.time == absl::InfinitePast()) record.time = absl::Now();
  const std::string line = FormatLine(record, chain.seq, chain.prev);
  absl::StrAppend(&bytes, line, "\n");
  ++chain.seq;
  chain.prev = hash_.Of(line);
}

absl::Status Writer::Write(Record record) {
  Chain chain = chain_;
  std::string bytes = unterminated_ ? "\n" : "";
  if (gap_) AddLine(*gap_, chain, bytes);
  AddLine(std::move(record), chain, bytes);
  ssize_t written;
  do {
    written = write(fd_.get(), bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return Failed("cannot write", path_);
  if (written < static_cast<ssize_t>(bytes.size())) {
    torn_ = written > 0;
    if (torn_) RETURN_IF_ERROR(CutBack());
    return absl::ResourceExhaustedError(
        absl::StrCat("no space to write ", path_));
  }
  size_ += written;
  unterminated_ = false;
  chain_ = std::move(chain);
  gap_.reset();
  return absl::OkStatus();
}

// Removes the part of a line that a short write left.
absl::Status Writer::CutBack() {
  if (ftruncate(fd_.get(), size_) != 0) {
    return Failed("cannot remove a torn line from", path_);
  }
  torn_ = false;
  return absl::OkStatus();
}

}  // namespace specula::audit
