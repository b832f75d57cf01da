#ifndef SPECULA_AGENT_METRICS_HOST_READER_H_
#define SPECULA_AGENT_METRICS_HOST_READER_H_

#include <sys/statvfs.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/metrics/baseline.h"
#include "agent/metrics/disk.h"
#include "agent/metrics/host.h"
#include "agent/metrics/interfaces.h"
#include "agent/metrics/memo.h"
#include "agent/metrics/mounts.h"
#include "agent/metrics/own_usage.h"
#include "agent/metrics/processes.h"
#include "agent/metrics/sources.h"
#include "agent/metrics/visibility.h"
#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
#include "lib/base/clock.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// What is in use of a file system, by its path; a test's may stand in.
using Statvfs =
    std::function<absl::StatusOr<struct statvfs>(const std::string& path)>;

// Where the disks are mounted, and what lies between.
struct HostMounts {
  SelectedMounts selected;
  std::vector<std::string> remote_points;  // of network file systems and FUSE

  // Whether the way to `path` leads over a network file system.
  bool IsRemote(absl::string_view path) const;
};

// The files of a host, read and parsed. Every method may hang for as long as a
// file does, so they are called on threads of SlowCalls only, which share this
// and may outlive who asked. Methods of one name are called one at a time (the
// keys of their calls see to it); different ones run side by side.
class HostReader {
 public:
  template <typename T>
  using Ref = typename Baselines<T>::Ref;

  // `root` is the directory before the host's files, or "". The agent's own
  // control group and processes are looked for where the agent is, which may be
  // a container; with `here` (a test's) below `root`, too.
  HostReader(std::string root, bool here, Statvfs statvfs,
             absl::Duration look_again = ProcRoot::kLookAgain);

  // Null where the file cannot be read or is not understood.
  Ref<CpuStat> ReadCpu();
  Ref<std::vector<DiskCounters>> ReadDisks();
  Ref<std::vector<InterfaceCounters>> ReadNetwork();
  Ref<ProcessList> ReadProcesses();
  Ref<absl::Duration> ReadSelf();
  // And what ZFS holds of it, if it does.
  std::optional<std::pair<MemInfo, std::optional<ArcStats>>> ReadMemory();
  std::optional<LoadAverage> ReadLoad();
  // What of BootClocks /proc/stat does not say.
  BootClocks ReadClocks();
  // Who the host is, its name as it is now, the rest as of a minute ago.
  v1::Host ReadHost();
  // Of "cpu", "memory" or "io".
  std::optional<PressureFile> ReadPressure(absl::string_view resource);
  Visibility ReadVisibility();
  CgroupFiles ReadOwnCgroup();
  int64_t ReadOwnMemory() { return own_usage_.ResidentBytes(); }
  HostMounts ReadMounts();
  std::vector<v1::Temperature> ReadTemperatures();
  absl::StatusOr<struct statvfs> ReadSpace(const std::string& mount_point) {
    return statvfs_(root_.Path(mount_point));
  }
  UserNames ReadUserNames() { return UserNames(root_); }
  ProcessDetails ReadDetails(const UserNames& users, int64_t pid) {
    return ReadProcessDetails(root_, users, pid);
  }

  // What sysfs says of names in diskstats and net/dev; remembered.
  bool IsWholeDisk(const std::string& name);
  std::vector<bool> CountedInterfaces(
      const std::vector<InterfaceCounters>& all) {
    return interfaces_.Counted(all, MonotonicNow());
  }

  // Without reading anything: what ReadHost found last, if it did, and what was
  // noted to be wrong with the files.
  v1::Host last_host() const ABSL_LOCKS_EXCLUDED(mutex_);
  void FillProblems(v1::Agent* agent) const { sources_.FillProblems(agent); }

 private:
  ProcRoot root_;
  Sources sources_{root_};
  ProcRoot self_;
  ProcRoot& own_;
  const OwnUsage own_usage_;
  const Statvfs statvfs_;
  OwnCgroup cgroup_;
  // By no name: of the one host.
  Memo<std::shared_ptr<const v1::Host>> facts_{absl::Minutes(1)};
  Memo<Visibility> visibility_{absl::Seconds(2)};
  Memo<bool> whole_disks_;
  Interfaces interfaces_{root_};
  std::optional<HostMounts> mounts_;  // ReadMounts only
  mutable absl::Mutex mutex_;
  v1::Host last_host_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_HOST_READER_H_
