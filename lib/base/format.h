#ifndef SPECULA_LIB_BASE_FORMAT_H_
#define SPECULA_LIB_BASE_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace specula {

// Bytes with a binary unit, B to PiB: 512B, 1.2GiB, 30GiB. One decimal below
// ten, none from ten on; a value that rounds to 1024 takes the next unit.
// Negative values are shown as 0B.
std::string FormatBytes(int64_t bytes);

// A length of time in its two greatest units: 41d3h, 5h02m, 3m20s, 12s.
// Negative and infinite values are shown as "-".
std::string FormatElapsed(absl::Duration duration);

// Text from a host made safe for a terminal or one line of a log: control
// characters (C0, DEL, C1) and bytes that are not UTF-8 become \xNN, newline
// and tab \n and \t, the bidirectional overrides and line separators \u202e and
// the like. All else stays.
std::string EscapeControls(absl::string_view text);

// Replaces every byte that is not part of valid UTF-8 with U+FFFD, as a field
// of type string of a proto needs it. Ends before the character that would make
// it longer than `most` bytes.
std::string ToUtf8(absl::string_view bytes, size_t most = SIZE_MAX);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_FORMAT_H_
