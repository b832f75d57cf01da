#include "lib/audit/line.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "lib/audit/record.h"

namespace specula::audit {
namespace {

bool IsHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

// Takes from the front of a text; each says whether it was there.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) {}

  bool Literal(absl::string_view literal) {
    return absl::ConsumePrefix(&rest_, literal);
  }

  // Without leading zeros; only digits, so never negative.
  bool Count(int64_t& count) {
    size_t digits = 0;
    count = 0;
    for (; digits < rest_.size() && absl::ascii_isdigit(rest_[digits]);
         ++digits) {
      const int digit = rest_[digits] - '0';
      if (count > (std::numeric_limits<int64_t>::max() - digit) / 10) {
        return false;
      }
      count = count * 10 + digit;
    }
    if (digits == 0 || (digits > 1 && rest_[0] == '0')) return false;
    rest_.remove_prefix(digits);
    return true;
  }

  bool Hash(absl::string_view& hash) {
    hash = rest_.substr(0, 64);
    if (hash.size() != 64 || !std::all_of(hash.begin(), hash.end(), IsHex)) {
      return false;
    }
    rest_.remove_prefix(64);
    return true;
  }

  bool Time() {
    constexpr absl::string_view kShape = "0000-00-00T00:00:00.000000Z";
    if (rest_.size() < kShape.size()) return false;
    for (size_t i = 0; i < kShape.size(); ++i) {
      const bool fits = kShape[i] == '0' ? absl::ascii_isdigit(rest_[i])
                                         : rest_[i] == kShape[i];
      if (!fits) return false;
    }
    rest_.remove_prefix(kShape.size());
    return true;
  }

  // Letters, digits and underscores in lower case.
  bool Name(absl::string_view& name) {
    size_t length = 0;
    while (length < rest_.size() &&
           (absl::ascii_islower(rest_[length]) ||
            absl::ascii_isdigit(rest_[length]) || rest_[length] == '_')) {
      ++length;
    }
    name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return length > 0;
  }

  bool Value() {
    if (Literal("true") || Literal("false")) return true;
    if (Literal("[")) {
      do {
        if (!String()) return false;
      } while (Literal(","));
      return Literal("]");
    }
    if (!rest_.empty() && rest_[0] == '"') return String();
    return Number();
  }

  bool AtEnd() const { return rest_.empty(); }

 private:
  // Of any size: a caller may ask to kill the process INT64_MIN.
  bool Number() {
    Literal("-");
    const size_t digits =
        std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0 || (digits > 1 && rest_[0] == '0')) return false;
    rest_.remove_prefix(digits);
    return true;
  }

  bool String() {
    if (!Literal("\"")) return false;
    size_t i = 0;
    for (; i < rest_.size() && rest_[i] != '"'; ++i) {
      const char c = rest_[i];
      if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return false;
      if (c != '\\') continue;
      if (++i == rest_.size()) return false;
      if (absl::string_view("\"\\nt").find(rest_[i]) !=
          absl::string_view::npos) {
        continue;
      }
      const absl::string_view digits = rest_.substr(i + 1, 4);
      if (rest_[i] != 'u' || digits.size() != 4 ||
          !std::all_of(digits.begin(), digits.end(), IsHex)) {
        return false;
      }
      i += 4;
    }
    rest_.remove_prefix(i);
    return Literal("\"");
  }

  absl::string_view rest_;
};

}  // namespace

std::optional<LineHead> ScanLine(absl::string_view line) {
  Scanner scanner(line);
  LineHead head;
  const bool begins =
      scanner.Literal("{\"seq\":") && scanner.Count(head.seq) && head.seq > 0 &&
      head.seq <= kMaxSeq && scanner.Literal(",\"prev\":\"") &&
      scanner.Hash(head.prev) && scanner.Literal("\",\"time\":\"") &&
      scanner.Time() && scanner.Literal("\",\"stage\":\"") &&
      scanner.Name(head.stage) && scanner.Literal("\"");
  if (!begins) return std::nullopt;
  if (scanner.Literal(",\"torn_bytes\":")) {
    int64_t bytes = 0;
    if (!scanner.Count(bytes)) return std::nullopt;
    head.torn_bytes = bytes;
  }
  while (scanner.Literal(",")) {
    absl::string_view key;
    const bool member = scanner.Literal("\"") && scanner.Name(key) &&
                        scanner.Literal("\":") && scanner.Value();
    if (!member) return std::nullopt;
  }
  if (!scanner.Literal("}") || !scanner.AtEnd()) return std::nullopt;
  return head;
}

}  // namespace specula::audit
