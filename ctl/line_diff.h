#ifndef SPECULA_CTL_LINE_DIFF_H_
#define SPECULA_CTL_LINE_DIFF_H_

#include <string>

#include "absl/strings/string_view.h"

namespace specula::ctl {

// What leads from the lines of `from` to those of `to`, as `diff -u` shows it
// without its two lines of names: hunks with three lines around each change.
// Empty if there is none. A last line without a newline is marked as usual.
//
// The shortest way is looked for within bounds: texts that have hardly anything
// in common are shown as all of the one taken away and all of the other added,
// which is also true. Pure.
std::string UnifiedDiff(absl::string_view from, absl::string_view to);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_LINE_DIFF_H_
