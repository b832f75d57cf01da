#include "agent/broker/started_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/broker/log_pump.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxEnded = 1000;
constexpr char kSuffix[] = ".job";

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("mkdir(", path, ")"));
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

}  // namespace

std::string JobName(JobId id) { return absl::StrFormat("%016x", id); }

absl::StatusOr<StartedStore> StartedStore::Open(std::string directory,
                                                int64_t max_log_bytes) {
  StartedStore store(std::move(directory), max_log_bytes);
  RETURN_IF_ERROR(MakeDirectory(store.directory_));
  store.lock_.Reset(
      open(store.directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!store.lock_.valid()) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("open(", store.directory_, ")"));
  }
  if (flock(store.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(store.directory_, ": another agent uses it"));
  }
  RETURN_IF_ERROR(MakeDirectory(store.directory_ + "/started"));
  RETURN_IF_ERROR(MakeDirectory(store.log_directory()));
  store.Load();
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

void StartedStore::Load() {
  const std::string path = directory_ + "/started";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()),
                                                      &closedir);
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory.get())) {
    if (!absl::EndsWith(entry->d_name, kSuffix)) continue;
    const auto text = ReadFile(absl::StrCat(path, "/", entry->d_name));
    broker::StartedJob job;
    if (!text.ok() || !job.ParseFromString(*text) ||
        absl::StrCat(JobName(job.job()), kSuffix) != entry->d_name) {
      Log(LogLevel::kWarning, "a record of a started program cannot be read",
          {{"file", absl::StrCat(path, "/", entry->d_name)}});
      continue;
    }
    jobs_[job.job()] = std::move(job);
  }
}

absl::Status StartedStore::Put(const broker::StartedJob& job) {
  jobs_[job.job()] = job;
  const std::string path = RecordPath(job.job());
  const std::string temporary = path + ".tmp";
  const std::string bytes = job.SerializeAsString();
  const UniqueFd fd(open(temporary.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                         0600));
  if (!fd.valid() ||
      write(fd.get(), bytes.data(), bytes.size()) !=
          static_cast<ssize_t>(bytes.size()) ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("write(", path, ")"));
  }
  return absl::OkStatus();
}

void StartedStore::Prune() {
  std::vector<std::pair<int64_t, JobId>> ended;
  for (const auto& [id, job] : jobs_) {
    if (job.ended()) ended.emplace_back(job.start_time_milliseconds(), id);
  }
  std::sort(ended.rbegin(), ended.rend());
  size_t kept = 0;
  int64_t bytes = 0;
  for (const auto& [time, id] : ended) {
    bytes += LogBytes(id);
    if (++kept > kMaxEnded || bytes > max_log_bytes_) Forget(id);
  }
}

int64_t StartedStore::LogBytes(JobId id) const {
  return SizeOf(LogPath(id)) + SizeOf(RotatedLogPath(LogPath(id)));
}

void StartedStore::Forget(JobId id) {
  unlink(LogPath(id).c_str());
  unlink(RotatedLogPath(LogPath(id)).c_str());
  unlink(RecordPath(id).c_str());
  jobs_.erase(id);
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
