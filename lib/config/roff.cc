#include "lib/config/roff.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lib/base/utf8.h"

namespace specula {
namespace {

constexpr size_t kLineBytes = 78;
constexpr uint32_t kReplacement = 0xFFFD;

// The character at the start of `text` in roff; sets how many bytes it took.
std::string One(absl::string_view text, bool literal, size_t& length) {
  length = 1;
  switch (text[0]) {
    case '\\':
      return "\\e";
    case '-':
      return literal ? "\\-" : "-";
    case '\'':
      return "\\(aq";
    case '"':
      return "\\(dq";
    case '`':
      return "\\(ga";
    case '^':
      return "\\(ha";
    case '~':
      return "\\(ti";
    default:
      break;
  }
  if (absl::ascii_isprint(text[0])) return std::string(1, text[0]);
  if (absl::ascii_isascii(text[0])) return " ";  // a control character
  uint32_t code = kReplacement;
  length = DecodeUtf8(text, code);
  if (length == 0) {
    length = 1;
    code = kReplacement;
  }
  return absl::StrFormat("\\[u%04X]", code);
}

std::string Escape(absl::string_view text, bool literal) {
  std::string escaped;
  while (!text.empty()) {
    size_t length = 0;
    absl::StrAppend(&escaped, One(text, literal, length));
    text.remove_prefix(length);
  }
  return escaped;
}

// A line that begins with a dot would be a request; one that begins with a
// quote begins with an escape by now.
void AppendLine(std::string& page, absl::string_view line) {
  absl::StrAppend(&page, absl::StartsWith(line, ".") ? "\\&" : "", line, "\n");
}

// Whether a word of prose is to be copied: an option, a path, NAME=VALUE.
bool LooksTyped(absl::string_view word) {
  const size_t start = word.find_first_not_of("'\"(");
  return (start != absl::string_view::npos && word[start] == '-') ||
         word.find_first_of("/=_@[") != absl::string_view::npos ||
         absl::StrContains(word, "--");
}

}  // namespace

std::string RoffLiteral(absl::string_view text) { return Escape(text, true); }

std::string RoffProse(absl::string_view text) {
  std::string page, line;
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty())) {
    const std::string escaped = Escape(word, LooksTyped(word));
    if (!line.empty() && line.size() + 1 + escaped.size() > kLineBytes) {
      AppendLine(page, line);
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", escaped);
  }
  if (!line.empty()) AppendLine(page, line);
  return page;
}

std::string RoffLines(absl::string_view text) {
  std::string page;
  if (text.empty()) return page;
  for (absl::string_view line :
       absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    AppendLine(page, RoffLiteral(line));
  }
  return page;
}

}  // namespace specula
