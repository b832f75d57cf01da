#ifndef SPECULA_LIB_AUDIT_LINE_H_
#define SPECULA_LIB_AUDIT_LINE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace specula::audit {

// What the chain needs of a line. Views are into the line.
struct LineHead {
  int64_t seq = 0;
  absl::string_view prev;
  absl::string_view stage;
  std::optional<int64_t> torn_bytes;
};

// Reads a line (without its newline) as FormatLine writes it: seq, prev, time
// and stage first, then torn_bytes or not, then any further keys with strings,
// numbers, flags or lists of strings, closed by the one brace at its end.
// Nothing if it is anything else, such as a part of a line. Reads only the
// shape: bytes of a string need not be UTF-8. Pure.
std::optional<LineHead> ScanLine(absl::string_view line);

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_LINE_H_
