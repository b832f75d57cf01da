#include "lib/config/option_text.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace specula {
namespace {

// What stands in `text` between `open` and the next `close`; empty if they do
// not.
std::string Between(const std::string& text, char open, char close) {
  const size_t begin = text.find(open);
  const size_t end = text.find(close, begin);
  if (begin == std::string::npos || end == std::string::npos) return "";
  return text.substr(begin + 1, end - begin - 1);
}

bool TakesValue(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

}  // namespace

// A type's name is that of the value and those of its checks, with colons:
// "TEXT:{any,started,none}"; "{cpu->1}" where words stand for values.
std::vector<std::string> ChoicesOf(const CLI::Option& option) {
  const std::string listed = Between(option.get_type_name(), '{', '}');
  if (listed.empty()) return {};
  std::vector<std::string> choices = absl::StrSplit(listed, ',');
  for (std::string& choice : choices) {
    choice.resize(std::min(choice.size(), choice.find("->")));
  }
  return choices;
}

std::string ValueOf(const CLI::Option& option) {
  if (!TakesValue(option)) return "";
  if (const auto choices = ChoicesOf(option); !choices.empty()) {
    return absl::StrJoin(choices, "|");
  }
  const std::string type = option.get_type_name();
  const std::string kind = type.substr(0, type.find(':'));
  if (kind == "INT" || kind == "UINT") return "N";
  if (kind == "FLOAT") return "NUMBER";
  if (kind == "BOOLEAN") return "true|false";
  return kind;
}

std::string RangeOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (absl::StrContains(type, "NONNEGATIVE")) return "0 or more";
  return absl::StrReplaceAll(Between(type, '[', ']'), {{" - ", " to "}});
}

std::string DefaultOf(const CLI::Option& option) {
  if (!TakesValue(option)) return "";
  std::string value = option.get_default_str();
  if (!value.empty() && absl::StartsWith(option.get_type_name(), "BOOLEAN")) {
    return value == "0" || value == "false" ? "false" : "true";
  }
  return value;
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  std::string text;
  const std::string value = ValueOf(*option);
  // A positional's name says already what it is.
  if (!value.empty() && (option->nonpositional() || value != "TEXT")) {
    absl::StrAppend(&text, " ", value);
  }
  if (const std::string set = DefaultOf(*option); !set.empty()) {
    absl::StrAppend(&text, "=", set);
  }
  if (option->get_expected_max() == CLI::detail::expected_max_vector_size) {
    absl::StrAppend(&text, " ...");
  }
  if (const std::string range = RangeOf(*option); !range.empty()) {
    absl::StrAppend(&text, " (", range, ")");
  }
  if (option->get_required()) absl::StrAppend(&text, " REQUIRED");
  if (const std::string name = option->get_envname(); !name.empty()) {
    absl::StrAppend(&text, " (Env:", name, ")");
  }
  return text;
}

}  // namespace specula
