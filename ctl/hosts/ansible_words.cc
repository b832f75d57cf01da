#include "ctl/hosts/ansible_words.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/format.h"
#include "lib/base/host_port.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// More than any name with its ranges and its port has.
constexpr size_t kMostWordBytes = 512;

// The order in which Ansible counts letters.
constexpr absl::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

absl::Status Refused(absl::string_view why) {
  return absl::InvalidArgumentError(why);
}

bool IsDigits(absl::string_view text) {
  return !text.empty() && text.size() <= kMostDigits &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

// Whether no colon stands outside of brackets, and every [ has its ].
bool HasNoColon(absl::string_view text) {
  // Invariant: what is before `i` has neither an open bracket nor a colon.
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ':' || text[i] == ']') return false;
    if (text[i] != '[') continue;
    i = text.find(']', i);
    if (i == absl::string_view::npos) return false;
  }
  return true;
}

// Takes away the port of ssh, and the brackets that it needs around IPv6.
absl::string_view WithoutPort(absl::string_view word) {
  const size_t colon = word.rfind(':');
  if (colon == absl::string_view::npos || !IsDigits(word.substr(colon + 1))) {
    return word;
  }
  const absl::string_view host = word.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2);
  }
  return HasNoColon(host) ? host : word;
}

absl::StatusOr<int64_t> Number(absl::string_view digits) {
  int64_t number = 0;
  if (!IsDigits(digits) || !absl::SimpleAtoi(digits, &number)) {
    return Refused(absl::StrCat("'", EscapeControls(digits),
                                "' is no number; write ranges as [1:20], "
                                "[01:20:2] or [a:f]"));
  }
  return number;
}

absl::Status CheckRange(int64_t first, int64_t last, int64_t step,
                        absl::string_view inside) {
  const std::string range = absl::StrCat("the range [", inside, "]");
  if (step < 1) return Refused(absl::StrCat(range, " has the step 0"));
  if (last < first) {
    return Refused(absl::StrCat(range, " runs backwards and names no host"));
  }
  if (static_cast<size_t>((last - first) / step) >= kMostHosts) {
    return Refused(
        absl::StrCat(range, " names more than ", kMostHosts, " hosts"));
  }
  return absl::OkStatus();
}

// What stands between the brackets of a range, one by one.
absl::StatusOr<std::vector<std::string>> Choices(absl::string_view inside) {
  const std::vector<absl::string_view> parts = absl::StrSplit(inside, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[1].empty()) {
    return Refused(absl::StrCat("[", EscapeControls(inside),
                                "] is no range of Ansible; write [1:20], "
                                "[01:20:2] or [a:f]"));
  }
  int64_t step = 1;
  if (parts.size() == 3) {
    ASSIGN_OR_RETURN(step, Number(parts[2]));
  }
  const absl::string_view first = parts[0].empty() ? "0" : parts[0];
  const absl::string_view last = parts[1];
  std::vector<std::string> choices;
  if (first.size() == 1 && last.size() == 1 &&
      absl::StrContains(kLetters, first) && absl::StrContains(kLetters, last)) {
    const auto from = static_cast<int64_t>(kLetters.find(first));
    const auto to = static_cast<int64_t>(kLetters.find(last));
    RETURN_IF_ERROR(CheckRange(from, to, step, inside));
    for (int64_t i = from; i <= to; i += step) {
      choices.emplace_back(1, kLetters[static_cast<size_t>(i)]);
    }
    return choices;
  }
  ASSIGN_OR_RETURN(const int64_t from, Number(first));
  ASSIGN_OR_RETURN(const int64_t to, Number(last));
  size_t width = 0;
  if (first.size() > 1 && first.front() == '0') {
    width = first.size();
    if (last.size() != width) {
      return Refused(absl::StrCat("the ends of the range [", inside,
                                  "] differ in length; write [01:09] or [1:9], "
                                  "[001:100] or [1:100]"));
    }
  }
  RETURN_IF_ERROR(CheckRange(from, to, step, inside));
  for (int64_t i = from; i <= to; i += step) {
    choices.push_back(PadNumber(i, width));
  }
  return choices;
}

absl::StatusOr<std::vector<std::string>> ExpandRanges(absl::string_view rest) {
  std::vector<std::string> names = {""};
  // Invariant: `names` are all that what stood before `rest` comes to, the last
  // range running fastest.
  while (true) {
    const size_t open = rest.find('[');
    for (std::string& name : names)
      absl::StrAppend(&name, rest.substr(0, open));
    if (open == absl::string_view::npos) return names;
    const size_t close = rest.find(']', open);
    if (close == absl::string_view::npos) {
      return Refused("the ] of a range is missing");
    }
    ASSIGN_OR_RETURN(std::vector<std::string> choices,
                     Choices(rest.substr(open + 1, close - open - 1)));
    if (names.size() * choices.size() > kMostHosts) {
      return Refused(absl::StrCat("it names more than ", kMostHosts, " hosts"));
    }
    std::vector<std::string> longer;
    longer.reserve(names.size() * choices.size());
    for (const std::string& name : names) {
      for (const std::string& choice : choices) longer.push_back(name + choice);
    }
    names = std::move(longer);
    rest = rest.substr(close + 1);
  }
}

absl::Status CheckName(absl::string_view name) {
  const absl::StatusOr<HostPort> read = ParseHostPort(name, 0);
  if (read.ok() && read->host == name) return absl::OkStatus();
  if (absl::EndsWith(name, ":") || name == "---") {
    return Refused(
        "this is YAML; name the file .yml, and look whether ansible-inventory "
        "reads it");
  }
  if (absl::StrContains(name, "@")) {
    return Refused(
        "a name carries no user; write NAME ansible_user=USER, or NAME "
        "ansible_host=ADDRESS");
  }
  return Refused(
      "a host is called by letters, digits, '-', '.' and '_' here, or by an IP "
      "address; rename it, and give its address by ansible_host");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitAnsibleWords(
    absl::string_view line) {
  enum class State {
    kBetween,
    kWord,
    kSingle,
    kDouble,
    kEscape,
    kDoubleEscape
  };
  State state = State::kBetween;
  std::vector<std::string> words;
  std::string word;
  // Invariant: `words` are whole, and `word` is what has come of the next one
  // unless the state is kBetween.
  for (char c : line) {
    switch (state) {
      case State::kSingle:
      case State::kDouble:
        if (c == (state == State::kSingle ? '\'' : '"')) {
          state = State::kWord;
        } else if (state == State::kDouble && c == '\\') {
          state = State::kDoubleEscape;
        } else {
          word += c;
        }
        continue;
      case State::kDoubleEscape:
        if (c != '"' && c != '\\') word += '\\';
        word += c;
        state = State::kDouble;
        continue;
      case State::kEscape:
        word += c;
        state = State::kWord;
        continue;
      case State::kBetween:
      case State::kWord:
        break;
    }
    const bool is_space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (is_space || c == '#') {
      if (state == State::kWord) words.push_back(std::exchange(word, ""));
      state = State::kBetween;
      if (c == '#') return words;
    } else if (c == '\'' || c == '"') {
      state = c == '"' ? State::kDouble : State::kSingle;
    } else if (c == '\\') {
      state = State::kEscape;
    } else {
      word += c;
      state = State::kWord;
    }
  }
  if (state == State::kWord) {
    words.push_back(std::move(word));
  } else if (state != State::kBetween) {
    return Refused(state == State::kEscape || state == State::kDoubleEscape
                       ? "nothing follows the backslash; take it away"
                       : "a quotation mark is not closed; add the second one");
  }
  return words;
}

absl::StatusOr<std::vector<std::string>> ExpandAnsibleHosts(
    absl::string_view word) {
  if (word.size() > kMostWordBytes) return Refused("the name is too long");
  ASSIGN_OR_RETURN(std::vector<std::string> names,
                   ExpandRanges(WithoutPort(word)));
  for (const std::string& name : names) RETURN_IF_ERROR(CheckName(name));
  return names;
}

std::string UnquoteAnsibleValue(absl::string_view value) {
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(value);
  if (text.empty()) return std::string(value);
  size_t end = 0;  // of the literal
  absl::string_view literal;
  if (text.front() == '\'' || text.front() == '"') {
    end = text.find(text.front(), 1);
    if (end == absl::string_view::npos) return std::string(value);
    literal = text.substr(1, end - 1);
    if (absl::StrContains(literal, "\\")) return std::string(value);
    ++end;
  } else {
    end = std::min(text.find_first_not_of("0123456789"), text.size());
    literal = text.substr(0, end);
    if (literal.empty() || (literal.size() > 1 && literal.front() == '0')) {
      return std::string(value);
    }
  }
  const absl::string_view rest =
      absl::StripLeadingAsciiWhitespace(text.substr(end));
  const bool whole = rest.empty() || rest.front() == '#';
  return std::string(whole ? literal : value);
}

}  // namespace specula::ctl
