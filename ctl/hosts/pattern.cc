#include "ctl/hosts/pattern.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// More than any HOST:PORT has.
constexpr size_t kMostNameBytes = 512;

// One run of numbers: from, to, step, and how many digits each has at least.
struct Range {
  int64_t first = 0;
  int64_t last = 0;
  int64_t step = 1;
  size_t width = 0;
  size_t Count() const {
    return static_cast<size_t>((last - first) / step + 1);
  }
};

absl::StatusOr<int64_t> ParseNumber(absl::string_view digits,
                                    absl::string_view part) {
  int64_t number = 0;
  const bool plain =
      !digits.empty() && digits.size() <= kMostDigits &&
      std::all_of(digits.begin(), digits.end(), [](char c) {
        return absl::ascii_isdigit(static_cast<unsigned char>(c));
      });
  if (!plain || !absl::SimpleAtoi(digits, &number)) {
    return OddHostSet(
        part,
        absl::StrCat("'", EscapeControls(digits),
                     "' is not a number; a range is written [1-9], [01-64] "
                     "or [1-9/2,20]"));
  }
  return number;
}

absl::StatusOr<Range> ParseRange(absl::string_view text,
                                 absl::string_view part) {
  Range range;
  const size_t slash = text.find('/');
  if (slash != absl::string_view::npos) {
    ASSIGN_OR_RETURN(range.step, ParseNumber(text.substr(slash + 1), part));
    if (range.step == 0)
      return OddHostSet(part, "the step of a range cannot be 0");
    text = text.substr(0, slash);
  }
  const size_t dash = text.find('-');
  const absl::string_view first = text.substr(0, dash);
  ASSIGN_OR_RETURN(range.first, ParseNumber(first, part));
  range.last = range.first;
  if (dash != absl::string_view::npos) {
    ASSIGN_OR_RETURN(range.last, ParseNumber(text.substr(dash + 1), part));
  }
  if (range.last < range.first) {
    return OddHostSet(part,
                      absl::StrCat("the range ", text, " runs backwards"));
  }
  if (first.size() > 1 && first.front() == '0') range.width = first.size();
  return range;
}

// One piece of a pattern: text that stands as it is, or ranges to choose from.
struct Piece {
  std::string text;
  std::vector<Range> ranges;
};

absl::StatusOr<std::vector<Piece>> ParsePieces(absl::string_view part) {
  std::vector<Piece> pieces;
  absl::string_view rest = part;
  while (!rest.empty()) {
    const size_t open = rest.find('[');
    if (open != 0) {
      if (rest.substr(0, open).find(']') != absl::string_view::npos)
        return OddHostSet(part, "a ] without its [");
      pieces.push_back({std::string(rest.substr(0, open)), {}});
      rest = open == absl::string_view::npos ? "" : rest.substr(open);
      continue;
    }
    const size_t close = rest.find(']');
    if (close == absl::string_view::npos)
      return OddHostSet(part, "the ] is missing");
    const absl::string_view inside = rest.substr(1, close - 1);
    if (inside.find('[') != absl::string_view::npos)
      return OddHostSet(part, "a [ within [ ]");
    Piece piece;
    if (inside.find(':') != absl::string_view::npos) {
      piece.text = std::string(rest.substr(0, close + 1));  // an IPv6 address
    } else {
      for (absl::string_view range : absl::StrSplit(inside, ',')) {
        ASSIGN_OR_RETURN(Range parsed, ParseRange(range, part));
        piece.ranges.push_back(parsed);
      }
    }
    pieces.push_back(std::move(piece));
    rest = rest.substr(close + 1);
  }
  return pieces;
}

absl::Status CheckSize(const std::vector<Piece>& pieces, size_t most,
                       absl::string_view part) {
  size_t count = 1;
  size_t length = 0;
  for (const Piece& piece : pieces) {
    length += piece.text.size();
    if (piece.ranges.empty()) continue;
    size_t choices = 0;
    // Cut at each step: the sum and the product of cut numbers cannot overflow.
    for (const Range& range : piece.ranges) {
      choices = std::min(choices + range.Count(), kMostHosts + 1);
    }
    count = std::min(count * choices, kMostHosts + 1);
  }
  if (count > most) {
    return OddHostSet(part, absl::StrCat("more than ", kMostHosts, " hosts"));
  }
  // A long text times many numbers would fill the memory before it is refused.
  if (length > kMostNameBytes)
    return OddHostSet(part.substr(0, 64), "the name is too long");
  return absl::OkStatus();
}

std::vector<std::string> Expand(const std::vector<Piece>& pieces) {
  std::vector<std::string> names = {""};
  for (const Piece& piece : pieces) {
    if (piece.ranges.empty()) {
      for (std::string& name : names) name += piece.text;
      continue;
    }
    std::vector<std::string> longer;
    for (const std::string& name : names) {
      for (const Range& range : piece.ranges) {
        for (int64_t number = range.first; number <= range.last;
             number += range.step) {
          longer.push_back(name + PadNumber(number, range.width));
        }
      }
    }
    names = std::move(longer);
  }
  return names;
}

}  // namespace

std::string PadNumber(int64_t number, size_t width) {
  std::string digits = absl::StrCat(number);
  return digits.size() < width
             ? std::string(width - digits.size(), '0') + digits
             : digits;
}

absl::Status OddHostSet(absl::string_view part, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("host set: '", EscapeControls(part), "': ", why));
}

absl::StatusOr<std::vector<std::string>> ExpandPattern(
    absl::string_view pattern, size_t most) {
  ASSIGN_OR_RETURN(std::vector<Piece> pieces, ParsePieces(pattern));
  RETURN_IF_ERROR(CheckSize(pieces, most, pattern));
  return Expand(pieces);
}

}  // namespace specula::ctl
