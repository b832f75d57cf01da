#include "ctl/quantity.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Cuts the digits off the front of `text`; false if they are no plain number
// ("1e3", "inf" and "0x10" are none).
bool TakeNumber(absl::string_view& text, double& number) {
  const size_t end =
      std::min(text.find_first_not_of("0123456789."), text.size());
  const absl::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits.size() <= 20 && absl::SimpleAtod(digits, &number);
}

absl::Status Odd(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", EscapeControls(text), "' is no ", what));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseQuantityOfTime(absl::string_view text) {
  constexpr char kWhat[] = "length of time; write 2s, 250ms, 1.5m, 1h or 30d";
  absl::string_view unit = text;
  double number = 0;
  if (!TakeNumber(unit, number)) return Odd(text, kWhat);
  absl::Duration duration;
  if (unit.empty() || unit == "s") {
    duration = absl::Seconds(number);
  } else if (unit == "ms") {
    duration = absl::Milliseconds(number);
  } else if (unit == "m") {
    duration = absl::Minutes(number);
  } else if (unit == "h") {
    duration = absl::Hours(number);
  } else if (unit == "d") {
    duration = absl::Hours(24) * number;
  } else {
    return Odd(text, kWhat);
  }
  if (duration > absl::Hours(24 * 366)) {
    return Odd(text, "length of time for this: it may be 366d at most");
  }
  return duration;
}

absl::StatusOr<int64_t> ParseQuantityOfBytes(absl::string_view text) {
  constexpr char kWhat[] = "number of bytes; write 4096, 64K, 10M or 1G";
  absl::string_view unit = text;
  double number = 0;
  if (!TakeNumber(unit, number)) return Odd(text, kWhat);
  double factor = 1;
  if (unit == "K" || unit == "KiB") {
    factor = 1 << 10;
  } else if (unit == "M" || unit == "MiB") {
    factor = 1 << 20;
  } else if (unit == "G" || unit == "GiB") {
    factor = 1 << 30;
  } else if (!unit.empty() && unit != "B") {
    return Odd(text, kWhat);
  }
  if (number * factor > 1e18) return Odd(text, kWhat);
  return static_cast<int64_t>(number * factor);
}

}  // namespace specula::ctl
