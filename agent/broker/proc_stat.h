#ifndef SPECULA_AGENT_BROKER_PROC_STAT_H_
#define SPECULA_AGENT_BROKER_PROC_STAT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// What the broker wants to know of other processes. Its own reader, because
// this room may see neither agent/proc nor a recorded tree: it acts on the live
// system.
namespace specula::agent {

// Part of /proc/PID/stat.
struct ProcStat {
  int64_t pid = 0;
  char state = '?';
  int64_t parent = 0;
  int64_t session = 0;
  int64_t start_ticks = 0;  // from boot
  bool kernel_thread = false;

  // Ended, and only not yet waited for.
  bool dead() const { return state == 'Z' || state == 'X'; }
};

// INVALID_ARGUMENT unless it has the shape of /proc/PID/stat. Pure.
absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text);

// NOT_FOUND if there is no such process. A thread id gives the thread's.
absl::StatusOr<ProcStat> ReadProcStat(int64_t pid);

// The process that a thread id belongs to; the id itself for a process.
absl::StatusOr<int64_t> ReadThreadGroup(int64_t id);

// All processes that could be read, in order of pid.
std::vector<ProcStat> ReadAllProcStats();

// The children of this process (its main thread), dead ones too. UNAVAILABLE if
// the kernel does not tell.
absl::StatusOr<std::vector<int64_t>> ReadOwnChildren();

// The value of a variable in the environment that a process was started with;
// empty if it has none or cannot be read.
std::string ReadEnvironmentOf(int64_t pid, absl::string_view name);

// The id of this boot.
std::string ReadBootId();

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_PROC_STAT_H_
