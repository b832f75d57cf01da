#include "lib/base/format.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/utf8.h"

namespace specula {

std::string FormatBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return absl::StrCat(bytes < 0 ? 0 : bytes, "B");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (unit + 1 < std::size(kUnits) && std::round(value) >= 1024) {
    value /= 1024;
    ++unit;
  }
  // 9.96 would print as 10.0, which the rule writes as 10.
  if (value < 9.95) return absl::StrFormat("%.1f%s", value, kUnits[unit]);
  return absl::StrFormat("%.0f%s", value, kUnits[unit]);
}

std::string FormatElapsed(absl::Duration duration) {
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return "-";
  }
  const int64_t seconds = absl::ToInt64Seconds(duration);
  const int64_t days = seconds / 86400;
  const int64_t hours = seconds / 3600 % 24;
  const int64_t minutes = seconds / 60 % 60;
  if (days > 0) return absl::StrFormat("%dd%dh", days, hours);
  if (hours > 0) return absl::StrFormat("%dh%02dm", hours, minutes);
  if (minutes > 0) return absl::StrFormat("%dm%02ds", minutes, seconds % 60);
  return absl::StrCat(seconds, "s");
}

std::string EscapeControls(absl::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = DecodeUtf8(text, code);
    if (length == 0) {
      absl::StrAppendFormat(&safe, "\\x%02x",
                            static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (code == '\n') {
      safe += "\\n";
    } else if (code == '\t') {
      safe += "\\t";
    } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      absl::StrAppendFormat(&safe, "\\x%02x", code);
    } else if (IsLayoutControl(code)) {
      absl::StrAppendFormat(&safe, "\\u%04x", code);
    } else {
      absl::StrAppend(&safe, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return safe;
}

std::string ToUtf8(absl::string_view bytes, size_t most) {
  constexpr absl::string_view kReplacement = "\xef\xbf\xbd";
  std::string valid;
  valid.reserve(bytes.size());
  // `valid` is of what was before `bytes`, and no longer than `most`.
  while (!bytes.empty()) {
    uint32_t code = 0;
    const size_t length = DecodeUtf8(bytes, code);
    if (length == 0) {
      if (most - valid.size() < kReplacement.size()) break;
      absl::StrAppend(&valid, kReplacement);
      bytes.remove_prefix(1);
      continue;
    }
    if (most - valid.size() < length) break;
    absl::StrAppend(&valid, bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return valid;
}

}  // namespace specula
