#ifndef SPECULA_TESTS_LIB_AUDIT_TESTING_H_
#define SPECULA_TESTS_LIB_AUDIT_TESTING_H_

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/audit/record.h"
#include "lib/audit/sha256.h"
#include "lib/audit/verify.h"
#include "lib/base/file.h"

// What the tests of the audit log share.
namespace specula::audit {

// The lines of a log of `count` records, each with its newline.
inline std::vector<std::string> MakeLog(int count) {
  std::vector<std::string> lines;
  std::string prev(kNoPrevious);
  for (int i = 1; i <= count; ++i) {
    const std::string line =
        FormatLine({.time = absl::FromUnixMicros(1800000000000000 + i),
                    .stage = Stage::kStarted,
                    .rpc = "Exec",
                    .argv = {"echo", absl::StrCat("number ", i)}},
                   i, prev);
    prev = Sha256().Of(line);
    lines.push_back(line + "\n");
  }
  return lines;
}

inline std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

// Verifies texts as files named "1", "2"…, fed in pieces of `piece` bytes.
inline Verdict VerifyTexts(const std::vector<std::string>& texts,
                           size_t piece = 1 << 20) {
  Verifier verifier;
  int number = 0;
  for (absl::string_view text : texts) {
    verifier.BeginFile(absl::StrCat(++number));
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
      if (!verifier.Feed(text.substr(0, piece))) break;
    }
  }
  return verifier.Finish();
}

// "intact", or where and what.
inline std::string Finding(const Verdict& verdict) {
  if (!verdict.fault) return "intact";
  return absl::StrCat(verdict.fault->file, ":", verdict.fault->line, ": ",
                      verdict.fault->what);
}

inline std::string Read(const std::string& path) {
  return ReadFile(path, 1 << 30).value();
}

// The lines of a file, without newlines; the last is what follows the last
// newline, left out if it is empty.
inline std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines = absl::StrSplit(Read(path), '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace specula::audit

#endif  // SPECULA_TESTS_LIB_AUDIT_TESTING_H_
