#ifndef SPECULA_AGENT_BROKER_KILL_H_
#define SPECULA_AGENT_BROKER_KILL_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/broker/proc_stat.h"

// A signal to any process of the host. The pid comes from the network as 64
// bits; a cast too early has turned 2^64-1 into kill(-1) elsewhere.
namespace specula::agent {

struct KillOrder {
  int64_t pid = 0;
  std::optional<int64_t> start_ticks = {};
  int signal = 0;  // 0: TERM
  bool tree = false;
};

// INVALID_ARGUMENT unless 2 <= pid <= pid_max and the signal is one that a
// process can be sent: 1 to 64 but the two that libc keeps for itself. Pure.
absl::Status CheckKillOrder(const KillOrder& order, int64_t pid_max);

// Whether a signal may go to the process with this /proc entry: not a kernel
// thread, not one of `own`, the start time as in the order. PERMISSION_DENIED,
// or FAILED_PRECONDITION for another start time. Pure.
absl::Status CheckTarget(const KillOrder& order, const ProcStat& target,
                         const std::function<bool(int64_t)>& own);

// The host's pid_max.
int64_t ReadPidMax();

// What the broker knows and Execute asks.
struct KillContext {
  // The agent's own processes.
  std::function<bool(int64_t pid)> own;
  // Whether it is or belongs to what was started through the agent.
  std::function<bool(int64_t pid)> started_here;
  // Sends a signal to the tree whose leader it is; to how many, absent if it is
  // none's.
  std::function<std::optional<int>(int64_t pid, int signal)> signal_tree;
  // The ceiling's word.
  std::function<absl::Status(bool is_started_here)> allows;
};

// Sends it, and says to how many processes. NOT_FOUND if there is no such
// process, INVALID_ARGUMENT for a thread id. A tree that holds one of our own
// processes is refused as a whole.
absl::StatusOr<int> ExecuteKill(const KillOrder& order,
                                const KillContext& context);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_KILL_H_
