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
  explicit UserNames(const ProcRoot& root);
  // The name of a user, else the number as text.
  std::string Name(int64_t uid) const;

 private:
  std::vector<std::pair<int64_t, std::string>> names_;
};

// Fills one row; what only the shown processes need (owner, command line,
// control group) is read here.
void FillProcess(const ProcRoot& root, const UserNames& users,
                 const RankedProcess& ranked, absl::Time boot_time,
                 v1::Process* row);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_PROCESSES_H_
