#ifndef SPECULA_LIB_AUDIT_TAIL_H_
#define SPECULA_LIB_AUDIT_TAIL_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "lib/audit/record.h"

namespace specula::audit {

// How much of the end of a log may be torn.
inline constexpr size_t kMaxTailBytes = 4 * kMaxLineBytes;

// How a log ends. Views are into the text.
struct Tail {
  std::optional<absl::string_view> last;  // the last whole line
  // What follows it, without the newline after it and the last newline, if
  // there is anything: what "torn_bytes" of the next record counts.
  std::optional<absl::string_view> torn;
};

// Judges the end of a log, which may begin in the middle of a line. A whole
// line that lacks only its newline is whole. Pure.
Tail ScanTail(absl::string_view text);

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_TAIL_H_
