#ifndef SPECULA_AGENT_PROC_TEXT_H_
#define SPECULA_AGENT_PROC_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/charconv.h"
#include "absl/strings/string_view.h"

// What the parsers of parse.h share: functions that take the next line, field
// or number off the front of a text, without allocation. For this folder only.
namespace specula::agent {

// Takes what stands before the first `separator`, and the separator itself; all
// that is left if there is none.
inline absl::string_view TakeUntil(absl::string_view* text, char separator) {
  const size_t length = text->find(separator);
  const absl::string_view taken = text->substr(0, length);
  text->remove_prefix(length == absl::string_view::npos ? text->size()
                                                        : length + 1);
  return taken;
}

// Takes the next line without its newline. False at the end.
inline bool TakeLine(absl::string_view* text, absl::string_view* line) {
  if (text->empty()) return false;
  *line = TakeUntil(text, '\n');
  return true;
}

inline bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Takes the next field of a line whose fields are parted by any number of
// blanks. Empty at the end.
inline absl::string_view TakeField(absl::string_view* line) {
  const char* at = line->data();
  const char* const end = at + line->size();
  while (at != end && IsBlank(*at)) ++at;
  const char* const start = at;
  while (at != end && !IsBlank(*at)) ++at;
  *line = absl::string_view(at, static_cast<size_t>(end - at));
  return absl::string_view(start, static_cast<size_t>(at - start));
}

// Takes the next field as a whole number, cut to [0, INT64_MAX]: no number that
// is read here can be negative, and so the difference of two of them always
// fits. False if there is no field or it is not a number.
inline bool TakeCount(absl::string_view* line, int64_t* count) {
  const char* at = line->data();
  const char* const end = at + line->size();
  while (at != end && IsBlank(*at)) ++at;
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* const start = at;
  int64_t value = 0;
  for (; at != end && absl::ascii_isdigit(static_cast<unsigned char>(*at));
       ++at) {
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, *at - '0', &value)) {
      value = std::numeric_limits<int64_t>::max();
    }
  }
  if (at == start || (at != end && !IsBlank(*at))) return false;
  *line = absl::string_view(at, static_cast<size_t>(end - at));
  *count = negative ? 0 : value;
  return true;
}

// The same for a text that is one number and nothing else.
inline bool ParseCount(absl::string_view text, int64_t* count) {
  int64_t value = 0;
  if (!TakeCount(&text, &value) || !text.empty()) return false;
  *count = value;
  return true;
}

// The same, cut to the range of int.
inline bool ParseCount(absl::string_view text, int* count) {
  int64_t wide = 0;
  if (!ParseCount(text, &wide)) return false;
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  *count = static_cast<int>(wide < kMost ? wide : kMost);
  return true;
}

// A finite number such as 12.34, not below 0. False for anything else.
inline bool ParseDecimal(absl::string_view text, double* number) {
  // from_chars also takes nan, signs and, whatever format is asked for, 0x1.
  if (text.find_first_not_of("0123456789.") != absl::string_view::npos) {
    return false;
  }
  double value = 0;
  const char* const end = text.data() + text.size();
  const absl::from_chars_result result =
      absl::from_chars(text.data(), end, value);
  if (result.ptr != end || result.ec != std::errc()) return false;
  *number = value;
  return true;
}

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_TEXT_H_
