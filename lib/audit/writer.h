#ifndef SPECULA_LIB_AUDIT_WRITER_H_
#define SPECULA_LIB_AUDIT_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/audit/record.h"
#include "lib/audit/sha256.h"
#include "lib/base/unique_fd.h"

namespace specula::audit {

// Appends records to an audit log, each with one write(2), and keeps its chain
// (record.h) unbroken over restarts, crashes and rotation. Only one writer can
// have a log open (flock). Thread-safe.
//
// A record costs the thread that appends it about 5 µs: a stat, a hash and
// a write into the page cache, which blocks only while the disk is so busy that
// the kernel holds writers back. It is not synced to the disk: that would take
// milliseconds before each Exec, and the death of this program cannot take
// anything out of the page cache. What a crash of the kernel takes away is told
// by the gap that the next Open records.
//
// The program must ignore SIGXFSZ if its files are limited in size.
class Writer {
 public:
  // Opens the log at `path`, or makes it (mode 0600). Continues the chain of
  // what is there, of `path`.1 if that is nothing (it was rotated while nobody
  // wrote), and writes a record of stage kOpened with this process's pid
  // and `version`; before it one of stage kGap if the last writer did not Close
  // or its last line is torn.
  //   UNAVAILABLE: another writer has it open; it may be about to end.
  //   PERMISSION_DENIED: it belongs to another user than this one or root, or
  //     others may write it.
  //   FAILED_PRECONDITION: it is a symbolic link or no regular file.
  //   DATA_LOSS: its last MiB holds no record; move it away.
  //   Any other code of errno, such as RESOURCE_EXHAUSTED: the disk is full.
  static absl::StatusOr<std::unique_ptr<Writer>> Open(std::string path,
                                                      std::string version);

  // Ends without a word, as if the program were killed.
  ~Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Writes one record; OK means that the kernel has all of it. After an error
  // nothing of it is in the file (a short write is taken back; while that fails
  // too, so does every call). Each later call tries anew, and the first that
  // succeeds writes a kGap before its record that counts the lost ones and
  // says why. Codes as of Open.
  //
  // If the file was renamed or removed (logrotate), a new one is made, or the
  // empty one that came in its place is taken, and the chain goes on in it. If
  // another program changed the file (copytruncate), a kGap says so.
  absl::Status Append(Record record) ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts `count` records that could not be given to Append: the next one that
  // is written has a kGap before it, as above. `why` is said if there is no
  // other reason yet.
  void AddLost(int64_t count, absl::string_view why)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes a record of stage kClosed and syncs the file. Every later call gives
  // FAILED_PRECONDITION.
  absl::Status Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Writer(std::string path, std::string version)
      : path_(std::move(path)), version_(std::move(version)) {}

  // Where the next line stands in the chain.
  struct Chain {
    int64_t seq = 1;
    std::string prev{kNoPrevious};
  };

  absl::Status Start() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ContinueChain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ContinueFrom(int fd, int64_t size, const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status FollowPath() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AppendLocked(Record record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Write(Record record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLine(Record record, Chain& chain, std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddToGap(absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountLost(int64_t count, absl::string_view why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CutBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const std::string version_;

  absl::Mutex mutex_;
  Sha256 hash_ ABSL_GUARDED_BY(mutex_);
  UniqueFd fd_ ABSL_GUARDED_BY(mutex_);  // none: not open, or closed
  dev_t device_ ABSL_GUARDED_BY(mutex_) = 0;
  ino_t inode_ ABSL_GUARDED_BY(mutex_) = 0;
  // Where the next line starts.
  int64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last byte before that is no newline.
  bool unterminated_ ABSL_GUARDED_BY(mutex_) = false;
  // A part of a line stands beyond size_ and could not be removed.
  bool torn_ ABSL_GUARDED_BY(mutex_) = false;
  Chain chain_ ABSL_GUARDED_BY(mutex_);
  // Goes before the next record, in the same write.
  std::optional<Record> gap_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_WRITER_H_
