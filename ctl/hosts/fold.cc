#include "ctl/hosts/fold.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/pattern.h"

namespace specula::ctl {
namespace {

bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// A name taken apart: texts and numbers in turn, beginning and ending with a
// text, which may be empty.
struct Name {
  std::vector<std::string> texts;
  std::vector<absl::string_view> numbers;  // of the original
};

Name TakeApart(absl::string_view text) {
  Name name;
  // An IPv6 address has no numbers that count hosts, and its brackets would be
  // taken for a range.
  const bool whole = text.find('[') != absl::string_view::npos ||
                     std::count(text.begin(), text.end(), ':') > 1;
  name.texts.emplace_back();
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && IsDigit(text[end])) ++end;
    const size_t length = end - i;
    if (whole || length == 0 || length > kMostDigits) {
      end = std::max(end, i + 1);
      absl::StrAppend(&name.texts.back(), text.substr(i, end - i));
    } else {
      name.numbers.push_back(text.substr(i, length));
      name.texts.emplace_back();
    }
    i = end;
  }
  return name;
}

// Names with the same texts and the same widths. A width of 0 stands for
// numbers without leading zeros.
struct Template {
  std::vector<std::string> texts;
  std::vector<size_t> widths;
  bool operator<(const Template& other) const {
    return std::tie(texts, widths) < std::tie(other.texts, other.widths);
  }
};

using Numbers = std::vector<int64_t>;  // sorted
using Box = std::vector<Numbers>;      // one set for each dimension

// Puts those boxes together that differ in one dimension only, one dimension
// after the other, the last first: a full product becomes one box.
std::vector<Box> Merge(std::vector<Box> boxes, size_t dimensions) {
  for (size_t d = dimensions; d-- > 0;) {
    std::map<Box, Numbers> merged;
    for (Box& box : boxes) {
      Numbers own = std::move(box[d]);
      box[d].clear();
      Numbers& all = merged[std::move(box)];
      all.insert(all.end(), own.begin(), own.end());
    }
    boxes.clear();
    for (auto& [others, numbers] : merged) {
      Box box = others;
      std::sort(numbers.begin(), numbers.end());
      box[d] = std::move(numbers);
      boxes.push_back(std::move(box));
    }
  }
  std::sort(boxes.begin(), boxes.end());
  return boxes;
}

void AppendNumbers(const Numbers& numbers, size_t width, std::string& out) {
  if (numbers.size() == 1) {
    out += PadNumber(numbers.front(), width);
    return;
  }
  out += '[';
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() &&
           numbers[last + 1] == numbers[last] + 1) {
      ++last;
    }
    if (i > 0) out += ',';
    out += PadNumber(numbers[i], width);
    if (last > i) absl::StrAppend(&out, "-", PadNumber(numbers[last], width));
    i = last + 1;
  }
  out += ']';
}

}  // namespace

std::string FoldHosts(const std::vector<std::string>& names) {
  // With which widths numbers with leading zeros come, for each place: 10 goes
  // with 09, but not with 9.
  std::map<std::vector<std::string>, std::vector<std::set<size_t>>> padded;
  std::vector<Name> parts;
  parts.reserve(names.size());
  for (const std::string& name : names) {
    Name part = TakeApart(name);
    std::vector<std::set<size_t>>& widths = padded[part.texts];
    widths.resize(part.numbers.size());
    for (size_t d = 0; d < part.numbers.size(); ++d) {
      const absl::string_view digits = part.numbers[d];
      if (digits.size() > 1 && digits.front() == '0') {
        widths[d].insert(digits.size());
      }
    }
    parts.push_back(std::move(part));
  }
  std::map<Template, std::set<Numbers>> families;
  for (const Name& part : parts) {
    Template family{part.texts, {}};
    Numbers numbers;
    const std::vector<std::set<size_t>>& widths = padded[part.texts];
    for (size_t d = 0; d < part.numbers.size(); ++d) {
      const absl::string_view digits = part.numbers[d];
      family.widths.push_back(widths[d].contains(digits.size()) ? digits.size()
                                                                : 0);
      int64_t number = 0;
      // At most 15 digits, so it cannot fail.
      (void)absl::SimpleAtoi(digits, &number);
      numbers.push_back(number);
    }
    families[std::move(family)].insert(std::move(numbers));
  }
  std::string folded;
  for (const auto& [family, members] : families) {
    std::vector<Box> boxes;
    for (const Numbers& member : members) {
      Box box;
      for (int64_t number : member) box.push_back({number});
      boxes.push_back(std::move(box));
    }
    for (const Box& box : Merge(std::move(boxes), family.widths.size())) {
      if (!folded.empty()) folded += ',';
      for (size_t d = 0; d < box.size(); ++d) {
        folded += family.texts[d];
        AppendNumbers(box[d], family.widths[d], folded);
      }
      folded += family.texts.back();
    }
  }
  return folded;
}

}  // namespace specula::ctl
