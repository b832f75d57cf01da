#include "ctl/top_once.h"

#include <poll.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/json.h"
#include "ctl/ui/top_view.h"
#include "lib/base/clock.h"

namespace specula::ctl {
namespace {

// Where no terminal says how wide it is.
constexpr size_t kWidth = 200;
constexpr int kPollMilliseconds = 100;
constexpr absl::Duration kOnce = absl::Hours(24);

std::string ViewTable(const TopOnce& once, absl::Time now,
                      const TopState& state) {
  const size_t width = std::min(ViewForOutput().max_width, kWidth);
  std::string text;
  for (const Line& line :
       DrawOnce({.width = width, .braille = !once.ascii, .zone = once.zone},
                now, state)) {
    absl::StrAppend(&text, once.ascii ? ToAscii(line.Text()) : line.Text(),
                    "\n");
  }
  return text;
}

std::string ViewJsonLines(const std::vector<Target>& targets, absl::Time begun,
                          const TopState& state) {
  std::string text;
  for (const size_t host : state.visible) {
    const HostRow& row = state.model.rows()[host];
    const bool there = !row.down && row.last != nullptr;
    Ending ending = row.ending;
    if (!row.down && row.last == nullptr) {
      ending = {Outcome::kTimeout, "no snapshot came in time"};
    }
    text += JsonLine(targets[host], ending,
                     (there ? row.received : row.down_since) - begun, "status",
                     there ? &row.last->status() : nullptr);
  }
  return text;
}

}  // namespace

int RunTopOnce(const TopOnce& once, const std::vector<Target>& targets,
               LiveFeed& feed, TopState& state, Interrupt& interrupt) {
  const absl::Time begun = SteadyNow();
  // All that the feed had said before it was asked has been taken.
  while (true) {
    if (interrupt.Wait(absl::ZeroDuration())) return kExitInterrupted;
    const bool over = feed.AllSettled();
    const absl::Time now = feed.Now();
    state.Take(feed.Take(), now);
    if (over) {
      // Who was asked once is not stale because others took long.
      state.model.set_interval(kOnce);
      state.Settle(now);
      break;
    }
    pollfd wake = {feed.wake_fd(), POLLIN, 0};
    poll(&wake, 1, kPollMilliseconds);
  }
  return ShowTopOnce(once, targets, begun, feed.Now(), state);
}

int ShowTopOnce(const TopOnce& once, const std::vector<Target>& targets,
                absl::Time begun, absl::Time now, TopState& state) {
  const std::vector<HostRow>& rows = state.model.rows();
  // Anew, as rows keep their place for a snapshot.
  state.SortBy(state.order.column(), state.order.descending(), now);
  const ExitCode written =
      Print(once.json ? ViewJsonLines(targets, begun, state)
                      : ViewTable(once, now, state));
  if (written != kExitOk) return written;
  const bool all_up = std::all_of(
      rows.begin(), rows.end(),
      [](const HostRow& row) { return !row.down && row.last != nullptr; });
  return all_up ? kExitOk : kExitNoResult;
}

}  // namespace specula::ctl
