#include "agent/broker/started_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "agent/broker/log_pump.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxEnded = 1000;
constexpr char kSuffix[] = ".job";
constexpr char kTemporary[] = ".tmp";

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("mkdir(", path, ")"));
}

// False if another one holds it. A broker that was just killed may hold it for
// a moment longer, by a child of its that has not closed what it has of it.
bool LockSoon(int directory) {
  constexpr absl::Duration kPatience = absl::Seconds(1);
  const absl::Duration end = MonotonicNow() + kPatience;
  // Invariant: it was held by another one at each look so far.
  while (flock(directory, LOCK_EX | LOCK_NB) != 0) {
    if (MonotonicNow() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

// One thing that may hang, and so one call at a time, in their order.
constexpr char kKey[] = "state";

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// 0, or errno. Some file systems say only at the close that they are full.
int WriteFile(const std::string& path, const std::string& bytes) {
  UniqueFd fd(open(path.c_str(),
                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                   0600));
  if (!fd.valid()) return errno;
  const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
  if (written < 0) return errno;
  if (written != static_cast<ssize_t>(bytes.size())) return ENOSPC;
  return close(fd.Release()) == 0 ? 0 : errno;
}

absl::Status WriteRecord(const std::string& path, const std::string& bytes) {
  const std::string temporary = absl::StrCat(path, kTemporary);
  int error = WriteFile(temporary, bytes);
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary.c_str());
  return absl::Status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat("record of a started program: ", path, ": ", strerror(error),
                   error == ENOSPC || error == EDQUOT
                       ? "; make room on the file system it is on"
                       : "; look at the file system it is on"));
}

void RemoveFiles(const std::string& record, const std::string& log) {
  unlink(log.c_str());
  unlink(RotatedLogPath(log).c_str());
  unlink(record.c_str());
}

// An ended job and its files.
struct Ended {
  int64_t start_time;
  JobId id;
  std::string record;
  std::string log;
};

// Removes what is beyond the bounds; `ended` has the youngest first. Which.
std::vector<JobId> RemoveBeyond(const std::vector<Ended>& ended,
                                int64_t max_log_bytes) {
  std::vector<JobId> removed;
  int64_t bytes = 0;
  // All that came before, kept or not, counts: who is beyond stays so.
  for (size_t i = 0; i < ended.size(); ++i) {
    const std::string& log = ended[i].log;
    bytes += SizeOf(log) + SizeOf(RotatedLogPath(log));
    if (i < kMaxEnded && bytes <= max_log_bytes) continue;
    RemoveFiles(ended[i].record, log);
    removed.push_back(ended[i].id);
  }
  return removed;
}

}  // namespace

std::string JobName(JobId id) { return absl::StrFormat("%016x", id); }

absl::StatusOr<std::unique_ptr<StartedStore>> StartedStore::Open(
    std::string directory, int64_t max_log_bytes, OffLoop* off_loop) {
  std::unique_ptr<StartedStore> store(
      new StartedStore(std::move(directory), max_log_bytes, off_loop));
  const std::string& path = store->directory_;
  RETURN_IF_ERROR(MakeDirectory(path));
  store->lock_.Reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!store->lock_.valid())
    return absl::ErrnoToStatus(errno, absl::StrCat("open(", path, ")"));
  if (!LockSoon(store->lock_.get())) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": another agent uses it"));
  }
  RETURN_IF_ERROR(MakeDirectory(path + "/started"));
  RETURN_IF_ERROR(MakeDirectory(store->log_directory()));
  RETURN_IF_ERROR(store->Load());
  return store;
}

std::string StartedStore::owner() const {
  struct stat info = {};
  fstat(lock_.get(), &info);
  return absl::StrCat(absl::Hex(info.st_dev), "x", absl::Hex(info.st_ino));
}

std::string StartedStore::LogPath(JobId id) const {
  return absl::StrCat(log_directory(), "/", JobName(id), ".log");
}

std::string StartedStore::RecordPath(JobId id) const {
  return absl::StrCat(directory_, "/started/", JobName(id), kSuffix);
}

absl::Status StartedStore::Load() {
  const std::string path = directory_ + "/started";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()),
                                                      &closedir);
  const auto failed = [&] {
    return absl::Status(
        absl::ErrnoToStatusCode(errno),
        absl::StrCat("list of started programs: ", path, ": ", strerror(errno),
                     "; look at the file system it is on"));
  };
  if (directory == nullptr) return failed();
  // Invariant: each record so far is in jobs_ or in unread_.
  while (true) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) return errno == 0 ? absl::OkStatus() : failed();
    absl::string_view name = entry->d_name;
    const std::string file = absl::StrCat(path, "/", name);
    if (absl::EndsWith(name, absl::StrCat(kSuffix, kTemporary)))
      unlink(file.c_str());
    if (!absl::ConsumeSuffix(&name, kSuffix)) continue;
    const auto text = ReadFile(file);
    broker::StartedJob job;
    if (!text.ok() || !job.ParseFromString(*text) ||
        JobName(job.job()) != name) {
      Log(LogLevel::kWarning, "a record of a started program cannot be read",
          {{"file", file}});
      unread_.emplace_back(name);
      continue;
    }
    jobs_[job.job()] = std::move(job);
  }
}

void StartedStore::Put(const broker::StartedJob& job,
                       std::function<void(absl::Status)> done) {
  jobs_[job.job()] = job;
  ++writing_;
  const Found<absl::Status> written;
  off_loop_->RunSurely(
      {MayHang::kState, kKey,
       [path = RecordPath(job.job()), bytes = job.SerializeAsString(),
        written] { written.Set(WriteRecord(path, bytes)); }},
      [this, written, done = std::move(done)] {
        --writing_;
        done(written.Take().value_or(Silent()));
      });
}

void StartedStore::Prune(const std::function<bool(JobId)>& is_left) {
  std::vector<Ended> ended;
  for (const auto& [id, job] : jobs_) {
    if (job.ended() && !is_left(id)) {
      ended.push_back(
          {job.start_time_milliseconds(), id, RecordPath(id), LogPath(id)});
    }
  }
  if (ended.empty()) return;
  std::sort(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) {
    return std::tie(a.start_time, a.id) > std::tie(b.start_time, b.id);
  });
  const Found<std::vector<JobId>> removed;
  off_loop_->Run(
      {{MayHang::kState, kKey,
        [ended = std::move(ended), bytes = max_log_bytes_, removed] {
          removed.Set(RemoveBeyond(ended, bytes));
        }}},
      [this, removed] {
        // What came too late is found again by the next one.
        for (JobId id : removed.Take().value_or(std::vector<JobId>()))
          jobs_.erase(id);
      });
}

OffLoop::Call StartedStore::Begin(const broker::StartedJob& job,
                                  Found<absl::StatusOr<UniqueFd>> log) const {
  return {MayHang::kState, kKey,
          [record = RecordPath(job.job()), bytes = job.SerializeAsString(),
           path = LogPath(job.job()), log] {
            const absl::Status recorded = WriteRecord(record, bytes);
            log.Set(recorded.ok() ? OpenLog(path) : recorded);
          }};
}

void StartedStore::Forget(JobId id, std::function<void()> done) {
  jobs_.erase(id);
  ++writing_;
  off_loop_->RunSurely({MayHang::kState, kKey,
                        [record = RecordPath(id), log = LogPath(id)] {
                          RemoveFiles(record, log);
                        }},
                       [this, done = std::move(done)] {
                         --writing_;
                         done();
                       });
}

absl::Status StartedStore::Silent() const {
  return absl::DeadlineExceededError(
      absl::StrCat("state directory(", directory_,
                   "): does not answer; look at the file system it is on"));
}

const broker::StartedJob* StartedStore::FindKey(absl::string_view caller,
                                                absl::string_view key) const {
  for (const auto& [id, job] : jobs_) {
    if (absl::string_view(job.caller()) == caller &&
        absl::string_view(job.idempotency_key()) == key) {
      return &job;
    }
  }
  return nullptr;
}

}  // namespace specula::agent
