#ifndef SPECULA_AGENT_METRICS_SAMPLER_H_
#define SPECULA_AGENT_METRICS_SAMPLER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/metrics/baseline.h"
#include "agent/metrics/disk.h"
#include "agent/metrics/host.h"
#include "agent/metrics/interfaces.h"
#include "agent/metrics/memo.h"
#include "agent/metrics/own_usage.h"
#include "agent/metrics/processes.h"
#include "agent/metrics/slow_calls.h"
#include "agent/metrics/sources.h"
#include "agent/metrics/visibility.h"
#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
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

// Reads the host when it is asked and never else. A source that is missing or
// not understood costs its metric (which stays absent or says UNAVAILABLE) and
// is said in v1::Agent.problems; it never costs the answer. Thread-safe.
class Sampler {
 public:
  // `statvfs` is a test's replacement of the system call; `root` then stands
  // for what the agent is in, too.
  using Statvfs =
      std::function<absl::StatusOr<struct statvfs>(const std::string& path)>;

  // `root` is the host's and must outlive the sampler. The agent's own control
  // group is looked for where the agent is, which may be a container.
  explicit Sampler(ProcRoot& root);
  Sampler(ProcRoot& root, Statvfs statvfs);

  // Reads those counters of `kinds` for which `baselines` has no usable sample,
  // and returns how long to wait before a Fill will find one: zero if that is
  // now, 200 ms at most.
  absl::Duration Prime(unsigned kinds, BaselineSet& baselines);

  // Take microseconds.
  void FillCpu(BaselineSet& baselines, v1::Cpu* cpu);
  void FillMemory(v1::Memory* memory);
  // Takes milliseconds with hundreds of processes.
  void FillProcesses(BaselineSet& baselines, v1::ProcessOrder order,
                     size_t limit, v1::ProcessesResponse* response);

  // Fill and then call `done`, on some thread, within about a second also when
  // a file system does not answer. What is pointed to must live until then.
  void FillDisk(BaselineSet& baselines, v1::Disk* disk,
                std::function<void()> done);
  // All but what only the front knows (version, certificate): see v1::Agent.
  void FillStatus(BaselineSet& baselines, v1::StatusResponse* status,
                  std::function<void()> done);

 private:
  Sampler(ProcRoot& root, ProcRoot* own, Statvfs statvfs);

  // Reads a file and parses it; null where either fails.
  template <typename T>
  using Ref = typename Baselines<T>::Ref;
  Ref<CpuStat> ReadCpu();
  Ref<std::vector<DiskCounters>> ReadDisks();
  Ref<std::vector<InterfaceCounters>> ReadNetwork();
  Ref<ProcessList> ReadProcesses();
  Ref<absl::Duration> ReadSelf();

  void FillDiskCounters(BaselineSet& baselines, v1::Disk* disk);
  void FillNetworkCounters(BaselineSet& baselines, v1::Network* network);
  void FillSystem(BaselineSet& baselines, v1::StatusResponse* status);
  BootClocks ReadClocks(const Ref<CpuStat>& stat);
  Visibility WhatIsVisible();
  void FillPressure(absl::string_view resource,
                    v1::Pressure* (v1::StatusResponse::*field)(),
                    v1::StatusResponse* status);
  // Adds the rows of all real file systems. Those that cannot block are filled
  // at once; for the others the calls are given that fill them, local ones in
  // one call.
  std::vector<SlowCalls::Call> DiskCalls(v1::Disk* disk);
  void RunSlowCalls(std::vector<SlowCalls::Call> calls, v1::Disk* disk,
                    std::function<void()> done);
  SelectedMounts ReadMounts() ABSL_LOCKS_EXCLUDED(mounts_mutex_);
  bool IsWholeDisk(const std::string& name);

  ProcRoot& root_;
  Sources sources_{root_};
  ProcRoot
      self_;  // the agent's own processes, also where root_ is another host's
  ProcRoot& own_;  // self_, but for tests
  const OwnUsage own_usage_;
  const Statvfs statvfs_;
  // By no name: of the one host.
  Memo<std::shared_ptr<const v1::Host>> host_{absl::Minutes(1)};
  Memo<Visibility> visibility_{absl::Seconds(2)};
  OwnCgroup cgroup_;
  const absl::Time start_time_;
  Memo<bool> whole_disks_;
  Interfaces interfaces_{root_};
  absl::Mutex mounts_mutex_;
  SelectedMounts mounts_ ABSL_GUARDED_BY(mounts_mutex_);
  bool mounts_known_ ABSL_GUARDED_BY(mounts_mutex_) = false;
  SlowCalls slow_calls_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SAMPLER_H_
