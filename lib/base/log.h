#ifndef SPECULA_LIB_BASE_LOG_H_
#define SPECULA_LIB_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/token_bucket.h"

namespace specula {

enum class LogLevel { kInfo, kWarning, kError };

// One key=value of a log line.
struct LogField {
  LogField(absl::string_view name, const absl::AlphaNum& text)
      : key(name), value(text.Piece()) {}
  absl::string_view key;
  std::string value;
};

// Writes one line in logfmt to standard error, in one write(2):
//   time=2026-11-20T19:04:05.123Z level=info msg="listening" address=[::]:60120
// Values are quoted where needed; no byte of a value can end the line or forge
// a field. Thread-safe. Never give it a secret.
//
// Never blocks: a thread writes, in the order of the calls, and ends when it
// has nothing more to write. While standard error is not read, up to 256 KiB
// wait. Lines beyond that are dropped until half of it is written; a line in
// their place counts them (dropped=N) and says since when. A fork is safe; the
// child has nothing of what waits.
void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields = {});

// Blocks until all that was logged is written, or `limit` is over. exit(3) does
// it by itself; call it before _exit(2). Async-signal-safe after the first Log.
void FlushLog(absl::Duration limit = absl::Milliseconds(500));

// Returns how many lines were dropped that the log itself does not tell of yet.
// Thread-safe.
int64_t LogDropped();

// A log line that a stranger can cause: at most 10 at once and 2 a second are
// written, and the next one that is tells how many were not (suppressed=N).
// Thread-safe; make one for each kind of line.
class LimitedLog {
 public:
  void operator()(LogLevel level, absl::string_view message,
                  std::initializer_list<LogField> fields = {})
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mutex_){2, 10};
  int64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The line that Log writes, without its newline and with `time` as it is given.
std::string FormatLogLine(absl::string_view time, LogLevel level,
                          absl::string_view message,
                          const std::vector<LogField>& fields);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_LOG_H_
