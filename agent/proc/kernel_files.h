#ifndef SPECULA_AGENT_PROC_KERNEL_FILES_H_
#define SPECULA_AGENT_PROC_KERNEL_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/proc/counters.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Whether `path` and all below it is made by the kernel out of its own memory:
// the mount that it is in is of such a file system (proc, sysfs, cgroup), and
// so is every mount below. Reading there waits for no disk, server or process,
// as a file of FUSE does that lxcfs mounts over /proc/stat. `path` is absolute,
// without symbolic links. Pure.
bool IsMadeByKernel(absl::string_view path, const std::vector<Mount>& mounts);

// Knows of some paths, in the mount namespace of this process, whether they are
// made by the kernel, and learns from the kernel when mounts have changed.
// Thread-safe.
class KernelFiles {
 public:
  // Opens this process's list of mounts, if there is one. Each group holds the
  // paths of one question, by its index.
  explicit KernelFiles(std::vector<std::vector<std::string>> groups);

  // Of each group, whether all of its paths are. Null before the first Learn,
  // and from a change of mounts on until the next. Never waits.
  std::shared_ptr<const std::vector<bool>> Known() ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads the list of mounts, if it is not known, which may wait. One at a
  // time.
  void Learn() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::vector<std::vector<std::string>> groups_;
  const UniqueFd mounts_;
  absl::Mutex mutex_;
  std::shared_ptr<const std::vector<bool>> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROC_KERNEL_FILES_H_
