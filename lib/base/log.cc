#include "lib/base/log.h"

#include <unistd.h>

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

void Write(LogLevel level, absl::string_view message,
           const std::vector<LogField>& fields) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                            absl::UTCTimeZone());
  std::string line = FormatLogLine(time, level, message, fields);
  line += '\n';
  // A log that cannot be written has nowhere to be complained of.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

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
  Write(level, message, fields);
}

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
  Write(level, message, all);
}

}  // namespace specula
