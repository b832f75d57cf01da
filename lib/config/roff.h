#ifndef SPECULA_LIB_CONFIG_ROFF_H_
#define SPECULA_LIB_CONFIG_ROFF_H_

#include <string>

#include "absl/strings/string_view.h"

namespace specula {

// Text for a man page (man(7)), so that the reader sees what was meant and can
// copy it: no character is taken for a request, for an escape or for a
// typographic variant. All pure.

// A word or line as it would be typed: every hyphen stays one. May not hold a
// newline.
std::string RoffLiteral(absl::string_view text);

// Prose: white space becomes the page's own, in lines of at most 78 bytes where
// words allow it; words that look like options or paths are literal. Ends with
// a newline unless empty.
std::string RoffProse(absl::string_view text);

// Lines as they stand, each literal. Ends with a newline unless empty.
std::string RoffLines(absl::string_view text);

}  // namespace specula

#endif  // SPECULA_LIB_CONFIG_ROFF_H_
