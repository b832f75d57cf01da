#ifndef SPECULA_AGENT_METRICS_PROCESSES_H_
#define SPECULA_AGENT_METRICS_PROCESSES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// All processes at one moment, by pid.
using ProcessList = std::vector<ProcessStat>;

// Reads /proc/PID/stat of every process; one that ends meanwhile is left out.
ProcessList ReadProcessList(const ProcRoot& root);

// A process and its CPU share of one core over the window.
struct RankedProcess {
  const ProcessStat* process = nullptr;  // in the current table
  std::optional<double> cpu;             // absent if it is new
};

// The first `limit` processes of `current` in `order`. A process is the same in
// both tables if pid and start are; a new one has no share, as crediting its
// whole life to the window would be wrong. Pure; `previous` may be null.
std::vector<RankedProcess> RankProcesses(const ProcessList* previous,
                                         const ProcessList& current,
                                         absl::Duration window,
                                         v1::ProcessOrder order, size_t limit);

// Turns the owners of processes into names by /etc/passwd, which is read again
// at each scrape that needs names. Programs are static, so there is no NSS
// here.
class UserNames {
 public:
  // Knows none: every name is a number.
  UserNames() = default;
  explicit UserNames(const ProcRoot& root);
  // The name of a user, else the number as text.
  std::string Name(int64_t uid) const;

 private:
  std::vector<std::pair<int64_t, std::string>> names_;
};

// What a machine says of how long it is up. Not all of it may speak of the
// clock that start ticks are of: in a container btime and uptime may be its
// own.
struct BootClocks {
  std::optional<absl::Duration> since_boot;  // CLOCK_BOOTTIME, if it is its own
  std::optional<absl::Duration> uptime;      // /proc/uptime
  std::optional<absl::Time> boot_time;       // btime of /proc/stat
};

// When the clock of start ticks began: `now` less the first of the times since
// boot above that none of `processes` started after; if there is none, the
// youngest of them started now. So none starts later than `now`. Pure.
absl::Time TickEpoch(const BootClocks& clocks, const ProcessList& processes,
                     absl::Time now);

// When the machine was started, as the uptime beside it says; by btime where
// that says the same, as it does not waver, or where there is no uptime. Absent
// where that is later than `now`. Pure.
std::optional<absl::Time> BootTime(const BootClocks& clocks, absl::Time now);

// CLOCK_BOOTTIME where the /proc of `root` is this kernel's, and absent where
// it is a recorded tree.
std::optional<absl::Duration> SinceBoot(const ProcRoot& root);

// What only the shown processes need.
struct ProcessDetails {
  std::string user;
  std::string command_line;  // "" for a kernel thread
  std::string cgroup;
};

// Reads them; empty where that fails. May hang: the kernel locks the memory of
// a process to read its command line.
ProcessDetails ReadProcessDetails(const ProcRoot& root, const UserNames& users,
                                  int64_t pid);

// Fills one row but for the details, of which it says that they do not answer.
// `epoch` as of TickEpoch. Pure.
void FillProcess(const RankedProcess& ranked, absl::Time epoch,
                 v1::Process* row);
void FillDetails(const ProcessDetails& details, v1::Process* row);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_PROCESSES_H_
