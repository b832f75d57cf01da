#ifndef SPECULA_CTL_UI_HOST_VIEW_H_
#define SPECULA_CTL_UI_HOST_VIEW_H_

#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/top_view.h"

namespace specula::ctl {

// One host in full, as the pane below the table and as a page of its own.
struct HostPane {
  std::vector<Line> lines;  // at most `height`
  // Where its processes are: for the mouse, and for paging.
  int processes_y = -1;
  size_t processes = 0;
  size_t first = 0;
};

// The host under the cursor. `page`: with a cursor among the processes. Pure.
HostPane DrawHost(const ViewSettings& settings, absl::Time now,
                  const TopState& state, size_t height, bool page);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_HOST_VIEW_H_
