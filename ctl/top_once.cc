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

// Rates need two snapshots: the first one alone says little.
bool IsSettled(const HostRow& row) {
  return row.down || (row.last != nullptr && row.values.cpu.has_value());
}

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
               Feed& feed, TopState& state, Interrupt& interrupt) {
  const absl::Time begun = SteadyNow();
  const absl::Time end = begun + once.within + 2 * state.options.interval;
  const std::vector<HostRow>& rows = state.model.rows();
  while (SteadyNow() < end) {
    if (interrupt.Wait(absl::ZeroDuration())) return kExitInterrupted;
    const absl::Time now = feed.Now();
    state.Take(feed.Take(), now);
    state.Settle(now);
    if (std::all_of(rows.begin(), rows.end(), IsSettled)) break;
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
