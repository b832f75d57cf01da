#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

// A mean is rounded up by a little; more is no share of time.
constexpr double kMostPercent = 101;

// Takes a field such as avg10=1.50, in per cent.
bool TakeShare(absl::string_view key, absl::string_view* line, double* share) {
  absl::string_view field = TakeField(line);
  double percent = 0;
  if (TakeUntil(&field, '=') != key || !ParseDecimal(field, &percent) ||
      percent > kMostPercent) {
    return false;
  }
  *share = std::min(percent / 100, 1.0);
  return true;
}

bool TakeShares(absl::string_view* line, PressureShares* shares) {
  return TakeShare("avg10", line, &shares->ten_seconds) &&
         TakeShare("avg60", line, &shares->one_minute) &&
         TakeShare("avg300", line, &shares->five_minutes);
}

// The value of an assignment as a shell reads it, without expansions.
std::string Unquote(absl::string_view text) {
  std::string value;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && absl::ascii_isspace(static_cast<unsigned char>(c))) {
      break;
    }
    if (quote != '\0' ? c == quote : c == '"' || c == '\'') {
      quote = quote != '\0' ? '\0' : c;
      continue;
    }
    // Between double quotes only these four lose their backslash.
    if (c == '\\' && quote != '\'' && i + 1 < text.size() &&
        (quote == '\0' || absl::StrContains("\"$`\\", text[i + 1]))) {
      ++i;
    }
    value += text[i];
  }
  return value;
}

}  // namespace

absl::StatusOr<LoadAverage> ParseLoadAverage(absl::string_view text) {
  LoadAverage load;
  absl::string_view line = TakeUntil(&text, '\n');
  for (double* average :
       {&load.one_minute, &load.five_minutes, &load.fifteen_minutes}) {
    if (!ParseDecimal(TakeField(&line), average)) {
      return absl::InvalidArgumentError("/proc/loadavg has no three numbers");
    }
  }
  absl::string_view tasks = TakeField(&line);
  int runnable = 0;
  int all = 0;
  if (ParseCount(TakeUntil(&tasks, '/'), &runnable) &&
      ParseCount(tasks, &all)) {
    load.runnable = runnable;
    load.tasks = all;
  }
  return load;
}

absl::StatusOr<double> ParseUptime(absl::string_view text) {
  absl::string_view line = TakeUntil(&text, '\n');
  double seconds = 0;
  if (!ParseDecimal(TakeField(&line), &seconds)) {
    return absl::InvalidArgumentError(
        "/proc/uptime does not start with a number");
  }
  return seconds;
}

absl::StatusOr<PressureFile> ParsePressure(absl::string_view text) {
  PressureFile pressure;
  bool has_some = false;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    const absl::string_view kind = TakeField(&line);
    PressureShares shares;
    if (kind == "some" && TakeShares(&line, &shares)) {
      pressure.some = shares;
      has_some = true;
    } else if (kind == "full" && TakeShares(&line, &shares)) {
      pressure.full = shares;
    }
  }
  if (!has_some) {
    return absl::InvalidArgumentError("/proc/pressure has no \"some\" line");
  }
  return pressure;
}

std::string ParseOsName(absl::string_view text) {
  std::string name;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    const absl::string_view key =
        absl::StripLeadingAsciiWhitespace(TakeUntil(&line, '='));
    // The last one counts, as it does for a shell.
    if (key == "PRETTY_NAME") name = Unquote(line);
  }
  return name;
}

}  // namespace specula::agent
