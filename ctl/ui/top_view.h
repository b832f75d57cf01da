#ifndef SPECULA_CTL_UI_TOP_VIEW_H_
#define SPECULA_CTL_UI_TOP_VIEW_H_

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/frame.h"
#include "ctl/ui/top_state.h"

namespace specula::ctl {

struct ViewSettings {
  size_t width = 80;
  size_t height = 24;
  bool braille = true;  // else graphs are of ASCII
  absl::TimeZone zone = absl::UTCTimeZone();
};

// What lies where on a screen, for the mouse.
struct TopLayout {
  struct Title {
    size_t begin = 0, end = 0;  // columns
    ColumnId column;
  };
  int header_y = -1;  // the line of titles; negative: there is none
  std::vector<Title> titles;
  int rows_y = 0;  // the first row
  size_t rows = 0;
  size_t first = 0;  // its place among the visible hosts, or processes
  // Whether processes of the host under the cursor have a place here.
  bool shows_processes = false;
  // How long every AGE in the rows stays right, if nothing is heard.
  absl::Duration ages_hold = absl::InfiniteDuration();
};

struct TopScreen {
  Frame frame;
  TopLayout layout;
};

// What a screen of that size shows at `now`. Any size will do: what does not
// fit is left out, the less important first. Sets the state's `top`,
// `table_rows` and `process_rows`, which depend on the size. Pure.
TopScreen DrawTop(const ViewSettings& settings, absl::Time now,
                  TopState& state);

// All hosts as plain lines, for --once.
std::vector<Line> DrawOnce(const ViewSettings& settings, absl::Time now,
                           const TopState& state);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_TOP_VIEW_H_
