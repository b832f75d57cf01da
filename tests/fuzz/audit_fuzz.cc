// Feeds one text to what reads an audit log, and as the content of a record to
// what writes one; what breaks the contract of the chain ends the program.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/audit/line.h"
#include "lib/audit/record.h"
#include "lib/audit/sha256.h"
#include "lib/audit/tail.h"
#include "lib/audit/verify.h"

namespace specula::audit {
namespace {

void Check(bool holds) {
  if (!holds) abort();
}

Verdict Walk(const std::vector<absl::string_view>& pieces) {
  Verifier verifier;
  verifier.BeginFile("f");
  for (absl::string_view piece : pieces) {
    if (!verifier.Feed(piece)) break;
  }
  return verifier.Finish();
}

// How the text is cut into pieces says nothing about it.
void CheckPieces(absl::string_view text) {
  const Verdict whole = Walk({text});
  std::vector<absl::string_view> pieces;
  for (size_t at = 0, length = 1; at < text.size();
       at += length, length = length * 2 % 61 + 1) {
    pieces.push_back(text.substr(at, length));
  }
  const Verdict parts = Walk(pieces);
  Check(whole.records == parts.records && whole.gaps == parts.gaps &&
        whole.last_hash == parts.last_hash &&
        whole.fault.has_value() == parts.fault.has_value());
  if (!whole.fault) return;
  Check(whole.fault->line == parts.fault->line &&
        whole.fault->what == parts.fault->what);
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  Check(whole.fault->line >= 1 && whole.fault->line <= lines);
}

// Whatever ends an intact log, the next writer makes it intact again, as
// Writer::Open does.
void CheckRepair(absl::string_view text) {
  if (text.empty()) return;
  const std::string first = FormatLine({}, 1, kNoPrevious);
  std::string log = absl::StrCat(first, "\n", text);
  const Tail tail = ScanTail(log);
  Check(tail.last.has_value());
  // A whole line in the text is a forgery or a copy; no repair is due.
  if (*tail.last != first) return;
  const std::string gap =
      tail.torn
          ? FormatLine({.stage = Stage::kGap,
                        .torn_bytes = static_cast<int64_t>(tail.torn->size())},
                       2, Sha256().Of(*tail.torn))
          : FormatLine({.stage = Stage::kGap}, 2, Sha256().Of(first));
  if (!absl::EndsWith(log, "\n")) log += '\n';
  const Verdict verdict = Walk({log, gap, "\n"});
  if (!verdict.fault) {
    Check(verdict.records == 2 && verdict.gaps == 1);
    return;
  }
  // A whole copy of the first line before the last whole one.
  Check(std::count(log.begin(), log.end(), '\n') > 1 &&
        absl::StrContains(text, first));
}

void CheckRecord(absl::string_view text) {
  Record record = {.stage = Stage::kEnded,
                   .shell = std::string(text),
                   .error = std::string(text)};
  for (absl::string_view argument : absl::StrSplit(text, '\0')) {
    record.argv.emplace_back(argument);
  }
  const std::string line = FormatLine(record, 5, kNoPrevious);
  Check(!absl::StrContains(line, '\n') && line.size() <= kMaxLineBytes);
  const std::optional<LineHead> head = ScanLine(line);
  Check(head && head->seq == 5 && head->stage == "ended");
}

}  // namespace
}  // namespace specula::audit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  specula::audit::CheckPieces(text);
  specula::audit::CheckRepair(text);
  specula::audit::CheckRecord(text);
  return 0;
}
