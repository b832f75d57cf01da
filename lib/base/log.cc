#include "lib/base/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"

namespace specula {
namespace {

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

std::string Quote(absl::string_view value) {
  // Backslashes are doubled before EscapeControls adds its own.
  std::string safe = EscapeControls(
      absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}}));
  const bool plain = !value.empty() && safe == value &&
                     value.find_first_of(" =\"") == absl::string_view::npos;
  return plain ? safe : absl::StrCat("\"", safe, "\"");
}

std::string FormatLogTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string WholeLine(LogLevel level, absl::string_view message,
                      const std::vector<LogField>& fields) {
  return absl::StrCat(
      FormatLogLine(FormatLogTime(absl::Now()), level, message, fields), "\n");
}

// Writes all of `text` to standard error, however long that takes; false if it
// cannot be written.
bool WriteWhole(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      // Another program of the same terminal or pipe has made it so.
      pollfd room = {STDERR_FILENO, POLLOUT, 0};
      poll(&room, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

// The lines that wait for standard error, and the thread that writes them.
//
// Its locks are those of the C library: the thread that forks holds them over
// the fork, so that the child finds them in order. Those of abseil have more
// behind them, which a fork would tear.
class Writer {
 public:
  static Writer& Get() {
    static Writer* const writer = new Writer();
    return *writer;
  }

  void Add(std::string line) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t room = dropped_ > 0 ? kMostBytes / 2 : kMostBytes;
    if (bytes_ > 0 && bytes_ + line.size() > room) {
      Drop(1);
      return;
    }
    Tell();
    Push({std::move(line), 0});
    if (has_thread_ || MakeThread()) return;
    while (!lines_.empty()) WriteNext();  // which may block, but is not lost
  }

  bool empty() const { return bytes_ == 0; }

  int64_t dropped() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return dropped_;
  }

 private:
  struct Line {
    std::string text;
    int64_t tells = 0;  // how many were dropped, by this line
  };

  static constexpr size_t kMostBytes = 256 << 10;

  Writer() {
    pthread_atfork([] { Get().mutex_.lock(); }, [] { Get().mutex_.unlock(); },
                   [] { Get().BeginInChild(); });
    atexit([] { FlushLog(); });
  }

  // What follows is called with the lock held.

  void Drop(int64_t lines) {
    if (dropped_ == 0) since_ = absl::Now();
    dropped_ += lines;
  }

  // Lines up what tells of those that were dropped.
  void Tell() {
    if (dropped_ == 0) return;
    Push({WholeLine(LogLevel::kWarning, "lines of the log were dropped",
                    {{"dropped", dropped_}, {"since", FormatLogTime(since_)}}),
          std::exchange(dropped_, 0)});
  }

  void Push(Line line) {
    bytes_ += line.text.size();
    lines_.push_back(std::move(line));
  }

  // False if there can be no more threads.
  bool MakeThread() {
    sigset_t all, before;
    sigfillset(&all);
    // It takes no signal that is meant for the program's own threads.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      std::thread([this] { Run(); }).detach();
      has_thread_ = true;
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return has_thread_;
  }

  // Takes the first line, and counts it as waiting until it is written.
  void WriteNext() {
    const Line line = std::move(lines_.front());
    lines_.pop_front();
    mutex_.unlock();
    const bool written = WriteWhole(line.text);
    mutex_.lock();
    if (!written) {
      Drop(std::max<int64_t>(1, line.tells));
    } else if (lines_.empty()) {
      Tell();  // the next call may be days away
    }
    bytes_ -= line.text.size();
  }

  // Ends when there is nothing to write: until then `has_thread_` says that who
  // adds a line need not make one.
  void Run() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!lines_.empty()) WriteNext();
    has_thread_ = false;
  }

  // The thread was the parent's, and the lines are its own to write.
  void BeginInChild() {
    lines_.clear();
    bytes_ = 0;
    dropped_ = 0;
    has_thread_ = false;
    mutex_.unlock();
  }

  std::mutex mutex_;
  std::deque<Line> lines_;
  std::atomic<size_t> bytes_ = 0;  // of the lines that are not written yet
  int64_t dropped_ = 0;            // and no line tells of them
  absl::Time since_;
  bool has_thread_ = false;
};

// Made before there are threads: a fork in the middle of it would leave the
// child without.
[[maybe_unused]] const Writer& made = Writer::Get();

}  // namespace

std::string FormatLogLine(absl::string_view time, LogLevel level,
                          absl::string_view message,
                          const std::vector<LogField>& fields) {
  std::string line = absl::StrCat("time=", time, " level=", LevelName(level),
                                  " msg=", Quote(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=", Quote(field.value));
  }
  return line;
}

void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields) {
  Writer::Get().Add(WholeLine(level, message, fields));
}

void FlushLog(absl::Duration limit) {
  const absl::Duration end = MonotonicNow() + limit;
  const timespec pause = {0, 200'000};
  while (!Writer::Get().empty() && MonotonicNow() < end) {
    nanosleep(&pause, nullptr);
  }
}

int64_t LogDropped() { return Writer::Get().dropped(); }

void LimitedLog::operator()(LogLevel level, absl::string_view message,
                            std::initializer_list<LogField> fields) {
  std::vector<LogField> all(fields);
  {
    absl::MutexLock lock(&mutex_);
    if (!bucket_.Take(1, MonotonicNow())) {
      ++suppressed_;
      return;
    }
    if (suppressed_ > 0) all.emplace_back("suppressed", suppressed_);
    suppressed_ = 0;
  }
  Writer::Get().Add(WholeLine(level, message, all));
}

}  // namespace specula
