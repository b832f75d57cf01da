#include "lib/audit/tail.h"

#include "absl/strings/strip.h"
#include "lib/audit/line.h"

namespace specula::audit {

Tail ScanTail(absl::string_view text) {
  Tail tail;
  if (text.empty()) return tail;
  const absl::string_view all = absl::StripSuffix(text, "\n");
  // From the last line back to the first; `end` is where one ends.
  for (size_t end = all.size();;) {
    const size_t newline = all.substr(0, end).rfind('\n');
    const size_t begin = newline == absl::string_view::npos ? 0 : newline + 1;
    const absl::string_view line = all.substr(begin, end - begin);
    if (ScanLine(line)) {
      tail.last = line;
      if (end < all.size()) tail.torn = all.substr(end + 1);
      return tail;
    }
    if (begin == 0) break;
    end = begin - 1;
  }
  tail.torn = all;
  return tail;
}

}  // namespace specula::audit
