#ifndef SPECULA_CTL_UI_PAGES_H_
#define SPECULA_CTL_UI_PAGES_H_

#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/top_view.h"

// The table's pages of text, from their first line on. Pure.
namespace specula::ctl {

std::vector<Line> HelpPage(const TopState& state);

// The number state.explained of the host under the cursor: what it is, where it
// comes from, how old and how good it is, and the raw answer it was read from.
std::vector<Line> ExplainPage(const ViewSettings& settings, absl::Time now,
                              const TopState& state);

std::vector<Line> ColumnsPage(const TopState& state);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_PAGES_H_
