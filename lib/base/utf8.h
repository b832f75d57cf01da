#ifndef SPECULA_LIB_BASE_UTF8_H_
#define SPECULA_LIB_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace specula {

// Decodes the sequence at the start of `text`, which is not empty. Returns its
// length and sets `code`; 0 if it is not valid UTF-8 (overlong, surrogate,
// beyond U+10FFFF, cut short).
size_t DecodeUtf8(absl::string_view text, uint32_t& code);

// Whether a character moves text about although it is no control character:
// bidirectional marks and overrides, and the separators of lines and
// paragraphs.
bool IsLayoutControl(uint32_t code);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_UTF8_H_
