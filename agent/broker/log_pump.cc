#include "agent/broker/log_pump.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/broker/oom_score.h"

namespace specula::agent {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

// The open log and how long it is.
class Log {
 public:
  Log(UniqueFd fd, std::string path, int64_t max_bytes)
      : fd_(std::move(fd)), path_(std::move(path)), max_bytes_(max_bytes) {
    struct stat info;
    if (fstat(fd_.get(), &info) == 0) size_ = info.st_size;
  }

  void Append(const char* data, size_t length) {
    while (length > 0) {
      if (size_ >= max_bytes_) Rotate();
      const size_t part = std::min<size_t>(
          length,
          static_cast<size_t>(std::max<int64_t>(1, max_bytes_ - size_)));
      SayWhatWasLost();
      if (!Write(data, part)) lost_ += static_cast<int64_t>(part);
      data += part;
      length -= part;
    }
  }

 private:
  // False unless all of it was written; a part that was stays.
  bool Write(const char* data, size_t length) {
    while (length > 0) {
      const ssize_t written = write(fd_.get(), data, length);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      size_ += written;
      data += written;
      length -= static_cast<size_t>(written);
    }
    return true;
  }

  void SayWhatWasLost() {
    if (lost_ == 0) return;
    const std::string line =
        absl::StrCat("\n[specula: ", lost_, " bytes were lost here]\n");
    if (Write(line.data(), line.size())) lost_ = 0;
  }

  void Rotate() {
    // With neither a rename nor a new file the old one is begun anew: the bound
    // holds.
    if (rename(path_.c_str(), RotatedLogPath(path_).c_str()) == 0) {
      if (auto fresh = OpenLog(path_); fresh.ok()) fd_ = *std::move(fresh);
    }
    if (ftruncate(fd_.get(), 0) == 0) size_ = 0;
  }

  UniqueFd fd_;
  std::string path_;
  int64_t max_bytes_;
  int64_t size_ = 0;
  int64_t lost_ = 0;
};

[[noreturn]] void RunHelper(int in, int log, const std::string& path,
                            int64_t max_bytes) {
  prctl(PR_SET_NAME, "specula-log");
  setsid();
  TakeOwnOomScore();
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGXFSZ})
    ::signal(signal, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Nothing of the broker's may be held open here: its channel, other jobs'
  // pipes.
  const UniqueFd keep_in(fcntl(in, F_DUPFD_CLOEXEC, 3));
  const UniqueFd keep_log(fcntl(log, F_DUPFD_CLOEXEC, 3));
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int target = 0; target < 3; ++target) dup2(null, target);
  dup2(keep_in.get(), 0);
  dup2(keep_log.get(), 1);
  for (int fd = 3, end = static_cast<int>(sysconf(_SC_OPEN_MAX)); fd < end;
       ++fd) {
    if (fd == 3 && close_range(3, ~0U, 0) == 0) break;
    close(fd);
  }
  PumpLog(0, UniqueFd(1), path, max_bytes);
  _exit(0);
}

}  // namespace

std::string RotatedLogPath(const std::string& path) {
  return absl::StrCat(path, ".1");
}

absl::StatusOr<UniqueFd> OpenLog(const std::string& path) {
  UniqueFd fd(open(path.c_str(),
                   O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                   0600));
  if (!fd.valid())
    return absl::ErrnoToStatus(errno, absl::StrCat("open(", path, ")"));
  return fd;
}

void PumpLog(int in, UniqueFd log, const std::string& path, int64_t max_bytes) {
  Log file(std::move(log), path, max_bytes);
  std::vector<char> chunk(kChunkBytes);
  while (true) {
    const ssize_t got = read(in, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    file.Append(chunk.data(), static_cast<size_t>(got));
  }
}

absl::StatusOr<pid_t> StartLogPump(int in, int log, const std::string& path,
                                   int64_t max_bytes) {
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork(log)");
  if (pid == 0) RunHelper(in, log, path, max_bytes);
  return pid;
}

}  // namespace specula::agent
