#ifndef SPECULA_AGENT_METRICS_SAMPLER_H_
#define SPECULA_AGENT_METRICS_SAMPLER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/metrics/baseline.h"
#include "agent/metrics/host_reader.h"
#include "agent/proc/counters.h"
#include "lib/base/slow_calls.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// The earlier samples that one caller's rates are taken against; see
// BaselinePolicy. Thread-safe.
struct BaselineSet {
  explicit BaselineSet(const BaselinePolicy& policy)
      : cpu(policy),
        self(policy),
        disks(policy),
        network(policy),
        processes(policy) {}
  Baselines<CpuStat> cpu;
  Baselines<absl::Duration> self;  // CPU time of the agent
  Baselines<std::vector<DiskCounters>> disks;
  Baselines<std::vector<InterfaceCounters>> network;
  Baselines<ProcessList> processes;
};

// Kinds of counters, for Sampler::Prime.
enum : unsigned {
  kCpuCounters = 1,
  kDiskCounters = 2,
  kProcessCounters = 4,
  kStatusCounters = 8,  // CPU, disks, network and the agent itself
};

// Reads the host when it is asked and never else. What the kernel makes of its
// own memory is read at once; every other file is a call of its own on threads
// that may hang: a source that is missing or not understood costs its
// metric (which stays absent or says UNAVAILABLE) and
// is said in v1::Agent.problems, one that does not answer
// within the limit says STALLED, and the rest is answered.
//
// Every method returns at once and calls `done` once, on some thread, perhaps
// before it returns, in twice the limit of the calls at most. What is pointed
// to must live until then. Thread-safe.
class Sampler {
 public:
  using Done = std::function<void()>;

  // `slow` has the kinds of SlowKind and must outlive the sampler. `root` is
  // the directory before the host's files, or "".
  Sampler(SlowCalls& slow, std::string root);
  // For tests: `statvfs` stands in for the system call, and `root` is what the
  // agent is in, too; `look_again` as of ProcRoot.
  Sampler(SlowCalls& slow, std::string root, Statvfs statvfs,
          absl::Duration look_again = ProcRoot::kLookAgain);

  // Reads those counters of `kinds` for which `baselines` has no usable sample,
  // and says how long to wait before a Fill will find one: zero if that is now,
  // 200 ms at most.
  void Prime(unsigned kinds, BaselineSet& baselines,
             std::function<void(absl::Duration wait)> done);

  void FillCpu(BaselineSet& baselines, v1::Cpu* cpu, Done done);
  void FillMemory(v1::Memory* memory, Done done);
  void FillDisk(BaselineSet& baselines, v1::Disk* disk, Done done);
  // All but what only the front knows (version, certificate): see v1::Agent.
  void FillStatus(BaselineSet& baselines, v1::StatusResponse* status,
                  Done done);
  // DEADLINE_EXCEEDED if the list of processes cannot be read in time; one
  // whose memory does not answer says so in place of its command line.
  void FillProcesses(BaselineSet& baselines, v1::ProcessOrder order,
                     size_t limit, v1::ProcessesResponse* response,
                     std::function<void(absl::Status)> done);

 private:
  using Calls = std::vector<SlowCalls::Call>;
  using Quick = HostReader::Quick;

  // What several calls find out of one host.
  using ClocksRef = std::shared_ptr<BootClocks>;

  // The call that reads `source` by `read`, in its turn: at once, if that
  // cannot hang now.
  SlowCalls::Call HostCall(const Quick& quick, HostSource source,
                           std::string key,
                           std::function<SlowCalls::Apply()> read);
  // The call that finds out what cannot hang, if that is to be found out.
  void AddMountsCall(const Quick& quick, Calls& calls);

  SlowCalls::Call CpuCall(const Quick& quick, BaselineSet& baselines,
                          v1::Cpu* cpu, ClocksRef clocks);
  SlowCalls::Call ClocksCall(const Quick& quick, ClocksRef clocks);
  SlowCalls::Call MemoryCall(const Quick& quick, v1::Memory* memory);
  SlowCalls::Call DevicesCall(const Quick& quick, BaselineSet& baselines,
                              v1::Disk* disk);
  SlowCalls::Call NetworkCall(const Quick& quick, BaselineSet& baselines,
                              v1::Network* network);
  SlowCalls::Call AgentCall(const Quick& quick, BaselineSet& baselines,
                            v1::Agent* agent);
  void AddHostCalls(const Quick& quick, v1::StatusResponse* status,
                    Calls& calls);
  SlowCalls::Call SensorsCall(const Quick& quick, v1::StatusResponse* status);
  // Runs `calls` and what finds the mounts, then `more` and what looks at them.
  void RunWithMounts(const Quick& quick, Calls calls, Calls more,
                     v1::Disk* disk, SlowCalls::Done done);

  SlowCalls& slow_;
  const std::shared_ptr<HostReader> reader_;
  const absl::Time start_time_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SAMPLER_H_
