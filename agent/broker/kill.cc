#include "agent/broker/kill.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/session_tree.h"
#include "agent/broker/signalling.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int kLastSignal = 64;

int SignalOf(const KillOrder& order) {
  return order.signal == 0 ? SIGTERM : order.signal;
}

absl::Status NotThere(int64_t pid) {
  return absl::NotFoundError(absl::StrCat("process ", pid, ": not there"));
}

// The process and everything below it. For KILL the tree is first stopped, so
// that it stands still while it is counted.
absl::StatusOr<int> SignalDescendants(const ProcStat& top, int signal,
                                      const KillContext& context) {
  // A tree that forks faster than this is not caught this way; EndTree's is a
  // cgroup.
  constexpr int kRounds = 10;
  const bool stops = signal == SIGKILL;
  std::map<int64_t, ProcStat> seen;
  for (int round = 0; round < kRounds; ++round) {
    bool grew = false;
    for (const ProcStat& member :
         FindDescendants(top.pid, ReadAllProcStats())) {
      if (member.pid == top.pid && member.start_ticks != top.start_ticks) {
        return NotThere(top.pid);  // it has ended, and another has its pid
      }
      if (context.own(member.pid)) {
        return absl::PermissionDeniedError(absl::StrCat(
            "process ", top.pid, ": the agent itself is below it"));
      }
      grew |= seen.emplace(member.pid, member).second;
    }
    if (!grew || !stops) break;
    for (const auto& [id, member] : seen) SignalSeen(member, SIGSTOP);
  }
  int count = 0;
  for (const auto& [id, member] : seen)
    count += SignalSeen(member, signal) ? 1 : 0;
  return count;
}

}  // namespace

absl::Status CheckKillOrder(const KillOrder& order, int64_t pid_max) {
  if (order.pid < 2 || order.pid > pid_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "process ", order.pid, ": a process to signal is 2 to ", pid_max));
  }
  // 32 and 33 are libc's, for threads; a process that gets one dies of it or
  // hangs.
  const bool reserved = order.signal == 32 || order.signal == 33;
  if (order.signal < 0 || order.signal > kLastSignal || reserved) {
    return absl::InvalidArgumentError(
        absl::StrCat("signal ", order.signal, ": no such signal"));
  }
  return absl::OkStatus();
}

absl::Status CheckTarget(const KillOrder& order, const ProcStat& target,
                         const std::function<bool(int64_t)>& own) {
  if (target.kernel_thread) {
    return absl::PermissionDeniedError(
        absl::StrCat("process ", order.pid, ": is a thread of the kernel"));
  }
  if (own(order.pid)) {
    return absl::PermissionDeniedError(
        absl::StrCat("process ", order.pid, ": belongs to the agent"));
  }
  if (order.start_ticks && *order.start_ticks != target.start_ticks) {
    return absl::FailedPreconditionError(absl::StrCat(
        "process ", order.pid, ": was started at tick ", target.start_ticks,
        ", is not the one of tick ", *order.start_ticks));
  }
  return absl::OkStatus();
}

int64_t ReadPidMax() {
  constexpr int64_t kLargest = 4194304;  // PID_MAX_LIMIT
  int64_t value = 0;
  auto text = ReadFile("/proc/sys/kernel/pid_max");
  if (!text.ok() ||
      !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value))
    return kLargest;
  return std::clamp<int64_t>(value, 2, kLargest);
}

absl::StatusOr<int> ExecuteKill(const KillOrder& order,
                                const KillContext& context) {
  RETURN_IF_ERROR(CheckKillOrder(order, ReadPidMax()));
  const pid_t pid = static_cast<pid_t>(order.pid);
  // Pinned first: whatever is read below is of this process, or the signal
  // fails.
  const UniqueFd pidfd = OpenPidfd(pid);
  if (!pidfd.valid()) {
    const auto group = ReadThreadGroup(order.pid);
    if (group.ok() && *group != order.pid) {
      return absl::InvalidArgumentError(absl::StrCat(
          "process ", order.pid, ": is a thread of process ", *group));
    }
    return NotThere(order.pid);
  }
  ASSIGN_OR_RETURN(const ProcStat target, ReadProcStat(order.pid));
  RETURN_IF_ERROR(CheckTarget(order, target, context.own));
  RETURN_IF_ERROR(context.allows(context.started_here(order.pid)));

  const int signal = SignalOf(order);
  if (order.tree) {
    if (const auto count = context.signal_tree(order.pid, signal))
      return *count;
    return SignalDescendants(target, signal, context);
  }
  if (!SignalPidfd(pidfd.get(), signal)) {
    if (errno == ESRCH) return NotThere(order.pid);
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("signal to process ", order.pid));
  }
  return 1;
}

}  // namespace specula::agent
