#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

constexpr int64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD of the kernel

void SkipFields(int count, absl::string_view* line) {
  for (int i = 0; i < count; ++i) TakeField(line);
}

// What stands behind the name: fields 3 to 24 of proc_pid_stat(5).
bool ParseFields(absl::string_view line, ProcessStat* stat) {
  const absl::string_view state = TakeField(&line);
  if (state.size() != 1) return false;
  stat->state = state.front();
  if (!TakeCount(&line, &stat->parent_pid)) return false;
  SkipFields(4, &line);  // group, session, terminal, foreground group
  int64_t flags = 0;
  if (!TakeCount(&line, &flags)) return false;
  stat->kernel_thread = (flags & kKernelThreadFlag) != 0;
  SkipFields(4, &line);  // page faults
  if (!TakeCount(&line, &stat->user_ticks) ||
      !TakeCount(&line, &stat->system_ticks)) {
    return false;
  }
  SkipFields(4, &line);  // times of children, priority, niceness
  if (!TakeCount(&line, &stat->threads)) return false;
  SkipFields(1, &line);  // always 0
  if (!TakeCount(&line, &stat->start_ticks)) return false;
  SkipFields(1, &line);  // virtual size
  return TakeCount(&line, &stat->resident_pages);
}

}  // namespace

absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text) {
  // Only numbers stand outside of the name, so the last ) ends it, whatever the
  // process calls itself.
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == absl::string_view::npos || close == absl::string_view::npos ||
      close < open) {
    return absl::InvalidArgumentError("/proc/PID/stat has no name");
  }
  ProcessStat stat;
  absl::string_view before = text.substr(0, open);
  absl::string_view after = text.substr(close + 1);
  while (!after.empty() && after.back() == '\n') after.remove_suffix(1);
  if (!TakeCount(&before, &stat.pid) || !ParseFields(after, &stat)) {
    return absl::InvalidArgumentError("/proc/PID/stat has too few fields");
  }
  stat.name = std::string(text.substr(open + 1, close - open - 1));
  return stat;
}

std::string ParseCommandLine(absl::string_view text, size_t max_bytes) {
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  std::string joined(text.substr(0, max_bytes));
  std::replace(joined.begin(), joined.end(), '\0', ' ');
  return joined;
}

std::string ParseProcessCgroup(absl::string_view text) {
  absl::string_view best, line;
  while (TakeLine(&text, &line)) {
    const absl::string_view hierarchy = TakeUntil(&line, ':');
    const absl::string_view controllers = TakeUntil(&line, ':');
    if (!absl::StartsWith(line, "/")) continue;
    const bool is_v2 = hierarchy == "0" && controllers.empty();
    if (is_v2 && line != "/") return std::string(line);
    if (best.empty() || best == "/") best = line;
  }
  return std::string(best);
}

}  // namespace specula::agent
