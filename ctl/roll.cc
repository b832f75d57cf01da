#include "ctl/roll.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"

namespace specula::ctl {

absl::StatusOr<size_t> ParseShare(absl::string_view text, size_t total) {
  absl::string_view digits = text;
  const bool percent = absl::ConsumeSuffix(&digits, "%");
  uint32_t number = 0;
  if (digits.empty() ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &number) || (percent && number > 100)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", EscapeControls(text),
                     "' is neither a number of hosts nor a share like 10%"));
  }
  if (!percent) return number;
  return (total * number + 99) / 100;
}

Roll::Roll(const Options& options) : options_(options) {}

bool Roll::MayBegin(size_t began, size_t ended, size_t failed) const {
  if (began >= options_.total || Stopped(failed)) return false;
  if (options_.width > 0 && began - ended >= options_.width) return false;
  if (began < options_.canary) return true;
  if (ended < options_.canary) return false;
  if (options_.group == 0) return true;
  // A group begins when all before it have ended.
  const size_t group_begin = began - (began - options_.canary) % options_.group;
  return ended >= group_begin;
}

}  // namespace specula::ctl
