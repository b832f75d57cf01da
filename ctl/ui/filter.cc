#include "ctl/ui/filter.h"

#include <cctype>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "ctl/ui/columns.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {

struct Filter::Node {
  enum class Kind { kAnd, kOr, kNot, kNumber, kText };
  enum class Compare { kEqual, kUnequal, kLess, kMore, kAtMost, kAtLeast };
  Kind kind = Kind::kText;
  std::vector<Node> children;  // of and, or, not
  Compare compare = Compare::kEqual;
  const Column* column = nullptr;  // of a number
  double number = 0;
  std::string field;    // of a text
  std::string pattern;  // lower case
};

namespace {

using Node = Filter::Node;

constexpr size_t kMostText = 1000;
constexpr int kMostDepth = 50;
// Texts that are no labels.
constexpr absl::string_view kTexts[] = {"host", "state", "alert", "mount",
                                        "kernel"};

bool IsText(absl::string_view field) {
  for (const absl::string_view text : kTexts) {
    if (text == field) return true;
  }
  return false;
}

const Column* NumberNamed(absl::string_view field) {
  if (field.empty() || IsText(field)) return nullptr;
  for (const Column& column : AllColumns()) {
    if (column.field == field) return &column;
  }
  return nullptr;
}

// "80", "80%", "1.5M", "3m": a number with what may stand behind it.
std::optional<double> ParseNumber(absl::string_view text,
                                  const Column& column) {
  const bool time =
      column.id == ColumnId::kAge || column.id == ColumnId::kUptime;
  struct Unit {
    char letter;
    double factor;
  };
  static constexpr Unit kTimes[] = {
      {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  static constexpr Unit kBytes[] = {{'%', 1},
                                    {'K', 1024.0},
                                    {'M', 1024.0 * 1024},
                                    {'G', 1024.0 * 1024 * 1024},
                                    {'T', 1024.0 * 1024 * 1024 * 1024}};
  double factor = 1;
  if (!text.empty()) {
    for (const Unit& unit :
         time ? absl::MakeConstSpan(kTimes) : absl::MakeConstSpan(kBytes)) {
      const char last =
          time ? text.back() : static_cast<char>(std::toupper(text.back()));
      if (last != unit.letter) continue;
      factor = unit.factor;
      text.remove_suffix(1);
      break;
    }
  }
  double number = 0;
  // SimpleAtod also takes "nan" and "0x1", which nobody means.
  if (text.find_first_not_of("0123456789.-") != absl::string_view::npos ||
      !absl::SimpleAtod(text, &number)) {
    return std::nullopt;
  }
  return number * factor;
}

class Parser {
 public:
  Parser(absl::string_view text, const std::set<std::string>& labels)
      : text_(text), labels_(labels) {}

  absl::StatusOr<Node> All() {
    ASSIGN_OR_RETURN(Node node, Or());
    SkipSpace();
    if (at_ < text_.size()) {
      return Odd(at_, text_[at_] == ')' ? "a ) without its ("
                                        : "'and' or 'or' is missing here");
    }
    return node;
  }

 private:
  absl::Status Odd(size_t at, absl::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrCat("filter, at character ", at + 1, ": ", why));
  }

  void SkipSpace() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
  }

  // The word that stands next, in lower case; "" if none does. Moves on only if
  // it is `wanted`.
  bool TakeWord(absl::string_view wanted) {
    SkipSpace();
    size_t end = at_;
    while (end < text_.size() && absl::ascii_isalnum(text_[end])) ++end;
    if (absl::AsciiStrToLower(text_.substr(at_, end - at_)) != wanted) {
      return false;
    }
    // "or=1" is a label that is called so, "not*" a name.
    if (end < text_.size() && !absl::ascii_isspace(text_[end]) &&
        text_[end] != '(' && text_[end] != ')') {
      return false;
    }
    at_ = end;
    return true;
  }

  absl::StatusOr<Node> Chain(Node::Kind kind, absl::string_view word,
                             absl::StatusOr<Node> (Parser::*part)()) {
    ASSIGN_OR_RETURN(Node first, (this->*part)());
    if (!TakeWord(word)) return first;
    Node node;
    node.kind = kind;
    node.children.push_back(std::move(first));
    do {
      ASSIGN_OR_RETURN(Node next, (this->*part)());
      node.children.push_back(std::move(next));
    } while (TakeWord(word));
    return node;
  }

  absl::StatusOr<Node> Or() {
    return Chain(Node::Kind::kOr, "or", &Parser::And);
  }
  absl::StatusOr<Node> And() {
    return Chain(Node::Kind::kAnd, "and", &Parser::Unary);
  }

  absl::StatusOr<Node> Unary() {
    SkipSpace();
    const size_t begin = at_;
    if (depth_ >= kMostDepth) return Odd(begin, "too deeply nested");
    ++depth_;
    absl::StatusOr<Node> node = Nested(begin);
    --depth_;
    return node;
  }

  absl::StatusOr<Node> Nested(size_t begin) {
    if (TakeWord("not")) {
      ASSIGN_OR_RETURN(Node inner, Unary());
      Node node;
      node.kind = Node::Kind::kNot;
      node.children.push_back(std::move(inner));
      return node;
    }
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      ASSIGN_OR_RETURN(Node node, Or());
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != ')') {
        return Odd(begin, "a ( without its )");
      }
      ++at_;
      return node;
    }
    return Term();
  }

  std::optional<Node::Compare> TakeCompare() {
    using Compare = Node::Compare;
    struct Sign {
      absl::string_view text;
      Compare compare;
    };
    // The longer ones first.
    static constexpr Sign kSigns[] = {
        {"!=", Compare::kUnequal}, {"<=", Compare::kAtMost},
        {">=", Compare::kAtLeast}, {"==", Compare::kEqual},
        {"=", Compare::kEqual},    {"<", Compare::kLess},
        {">", Compare::kMore}};
    SkipSpace();
    for (const Sign& sign : kSigns) {
      if (text_.substr(at_, sign.text.size()) != sign.text) continue;
      at_ += sign.text.size();
      return sign.compare;
    }
    return std::nullopt;
  }

  // Up to a space or a parenthesis, or what stands within quotes.
  std::string TakeValue(bool stops_at_sign) {
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == '"') {
      const size_t end = text_.find('"', at_ + 1);
      if (end != absl::string_view::npos) {
        std::string value(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return value;
      }
    }
    const size_t begin = at_;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (absl::ascii_isspace(c) || c == '(' || c == ')') break;
      if (stops_at_sign &&
          (c == '=' || c == '<' || c == '>' || text_.substr(at_, 2) == "!=")) {
        break;
      }
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  absl::StatusOr<Node> Term() {
    SkipSpace();
    const size_t begin = at_;
    const std::string word = TakeValue(true);
    if (word.empty()) {
      return Odd(begin, begin < text_.size()
                            ? "a column, a label or a host's name is missing"
                            : "something is missing at the end");
    }
    Node node;
    const std::optional<Node::Compare> compare = TakeCompare();
    if (!compare.has_value()) {
      node.field = "host";
      node.pattern = absl::AsciiStrToLower(word);
      return node;
    }
    node.compare = *compare;
    SkipSpace();
    const size_t value_at = at_;
    const std::string value = TakeValue(false);
    if (value.empty()) return Odd(value_at, "a value is missing");
    node.field = absl::AsciiStrToLower(word);
    if (const Column* column = NumberNamed(node.field); column != nullptr) {
      const std::optional<double> number = ParseNumber(value, *column);
      if (!number.has_value()) {
        return Odd(value_at,
                   absl::StrCat("'", EscapeControls(value), "' is no number"));
      }
      node.kind = Node::Kind::kNumber;
      node.column = column;
      node.number = *number;
      return node;
    }
    if (!IsText(node.field)) {
      if (labels_.count(word) > 0) node.field = word;
      if (labels_.count(node.field) == 0) return Odd(begin, Unknown(word));
    }
    if (*compare != Node::Compare::kEqual &&
        *compare != Node::Compare::kUnequal) {
      return Odd(begin, absl::StrCat("'", EscapeControls(word),
                                     "' is a text: = and != only"));
    }
    node.pattern = absl::AsciiStrToLower(value);
    return node;
  }

  std::string Unknown(absl::string_view word) const {
    std::vector<absl::string_view> names;
    for (const Column& column : AllColumns()) {
      if (!column.field.empty()) names.push_back(column.field);
    }
    names.insert(names.end(), {"host", "state"});
    names.insert(names.end(), labels_.begin(), labels_.end());
    return absl::StrCat("'", EscapeControls(word),
                        "' is no column and no label; there are ",
                        absl::StrJoin(names, " "));
  }

  const absl::string_view text_;
  const std::set<std::string>& labels_;
  size_t at_ = 0;
  int depth_ = 0;
};

// As far as the table shows: 57.9999 is 58.
bool IsEqual(double a, double b) { return std::abs(a - b) < 0.05; }

bool Holds(Node::Compare compare, double value, double number) {
  switch (compare) {
    case Node::Compare::kEqual:
      return IsEqual(value, number);
    case Node::Compare::kUnequal:
      return !IsEqual(value, number);
    case Node::Compare::kLess:
      return value < number;
    case Node::Compare::kMore:
      return value > number;
    case Node::Compare::kAtMost:
      return value <= number;
    case Node::Compare::kAtLeast:
      return value >= number;
  }
  return false;
}

bool GlobHolds(const Node& node, absl::string_view text) {
  return MatchesGlob(node.pattern, absl::AsciiStrToLower(text));
}

bool TextHolds(const Node& node, const HostRow& row, HostState state,
               absl::Time now) {
  if (node.field == "host") return GlobHolds(node, row.host.name);
  if (node.field == "state") return GlobHolds(node, HostStateName(state));
  if (node.field == "alert") return GlobHolds(node, AlertOf(row));
  if (node.field == "mount") return GlobHolds(node, row.values.disk_mount);
  if (node.field == "kernel") {
    return GlobHolds(node, ColumnOf(ColumnId::kKernel).text(row, now));
  }
  const auto label = row.host.labels.find(node.field);
  if (label == row.host.labels.end()) return false;
  // A host may be in several groups.
  for (const absl::string_view one : absl::StrSplit(label->second, ',')) {
    if (GlobHolds(node, one)) return true;
  }
  return false;
}

bool Evaluate(const Node& node, const HostRow& row, HostState state,
              absl::Time now) {
  switch (node.kind) {
    case Node::Kind::kAnd:
      for (const Node& child : node.children) {
        if (!Evaluate(child, row, state, now)) return false;
      }
      return true;
    case Node::Kind::kOr:
      for (const Node& child : node.children) {
        if (Evaluate(child, row, state, now)) return true;
      }
      return false;
    case Node::Kind::kNot:
      return !Evaluate(node.children.front(), row, state, now);
    case Node::Kind::kNumber: {
      if (state == HostState::kDown && node.column->id != ColumnId::kAge) {
        return false;
      }
      const std::optional<double> number = node.column->number(row, now);
      return number.has_value() && Holds(node.compare, *number, node.number);
    }
    case Node::Kind::kText:
      return TextHolds(node, row, state, now) ==
             (node.compare == Node::Compare::kEqual);
  }
  return false;
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(absl::string_view text,
                                     const std::set<std::string>& labels) {
  text = absl::StripAsciiWhitespace(text);
  Filter filter;
  if (text.empty()) return filter;
  if (text.size() > kMostText) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: longer than ", kMostText, " bytes"));
  }
  ASSIGN_OR_RETURN(Node root, Parser(text, labels).All());
  filter.text_ = std::string(text);
  filter.root_ = std::make_shared<const Node>(std::move(root));
  return filter;
}

bool Filter::Matches(const HostRow& row, HostState state,
                     absl::Time now) const {
  return root_ == nullptr || Evaluate(*root_, row, state, now);
}

bool MatchesGlob(absl::string_view pattern, absl::string_view text) {
  size_t p = 0;
  size_t t = 0;
  // Where to go on when the text after the last * turns out not to fit.
  size_t star = absl::string_view::npos;
  size_t after = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace specula::ctl
