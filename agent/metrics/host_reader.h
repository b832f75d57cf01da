#ifndef SPECULA_AGENT_METRICS_HOST_READER_H_
#define SPECULA_AGENT_METRICS_HOST_READER_H_

#include <sys/statvfs.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
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
#include "agent/proc/kernel_files.h"
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

// What is read together, in turns: of one source once at a time.
enum class HostSource : size_t {
  kCpu,
  kClocks,
  kMemory,
  kHost,
  kVisibility,
  kLoad,
  kCpuPressure,
  kMemoryPressure,
  kIoPressure,
  kCgroup,
  kDisks,
  kNetwork,
  kSensors,
  kOwnUse,
  kMounts,
  kCount,
};

// The files of a host, read and parsed. Every method may hang for as long as a
// file does, so they are called on threads of SlowCalls, which share this and
// may outlive who asked; or by anybody who was given the turn of a source.
// Those with a source are called in its turn, the others one at a time (the
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

  // Owns the right to read a source, or nothing.
  using Turn = std::unique_lock<std::mutex>;

  // Waits for the turn of a source.
  Turn TakeTurn(HostSource source) {
    return Turn(turns_[static_cast<size_t>(source)]);
  }

  // Which sources lie in what the kernel makes; null if that is to be found out
  // by LearnMounts, which may hang.
  using Quick = std::shared_ptr<const std::vector<bool>>;
  Quick FindQuick() { return kernel_.Known(); }
  void LearnMounts() { kernel_.Learn(); }

  // Takes the turn if it is free and what is to be read cannot hang now: it is
  // made by the kernel, or known already. Never waits.
  Turn TryTurn(HostSource source, const Quick& quick);

  // Whether ReadSpace of a mount, whose way leads over no network file system,
  // cannot hang. The kernel keeps the way to a mount in memory, and these file
  // systems have the numbers there, too.
  bool IsSpaceQuick(const Mount& mount) const;

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
  bool HasSensors(absl::Duration now);

  ProcRoot root_;
  Sources sources_{root_};
  ProcRoot self_;
  ProcRoot& own_;
  const OwnUsage own_usage_;
  const bool is_real_statvfs_;
  const Statvfs statvfs_;
  OwnCgroup cgroup_;
  // By no name: of the one host.
  Memo<std::shared_ptr<const v1::Host>> facts_{absl::Minutes(1)};
  Memo<Visibility> visibility_{absl::Seconds(2)};
  Memo<bool> whole_disks_;
  // Of a minute ago: kernel modules may be loaded at any time.
  Memo<bool> has_arc_{absl::Minutes(1)}, has_sensors_{absl::Minutes(1)};
  Interfaces interfaces_{root_};
  std::optional<HostMounts> mounts_;  // in the turn of kMounts
  KernelFiles kernel_;                // its groups are the sources
  std::array<std::mutex, static_cast<size_t>(HostSource::kCount)> turns_;
  mutable absl::Mutex mutex_;
  v1::Host last_host_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_HOST_READER_H_
