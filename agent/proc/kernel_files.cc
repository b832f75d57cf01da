#include "agent/proc/kernel_files.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/proc/parse.h"
#include "lib/base/file.h"

namespace specula::agent {
namespace {

constexpr char kMountInfo[] = "/proc/self/mountinfo";
constexpr size_t kMostBytes = 4 << 20;
constexpr absl::string_view kTypes[] = {"proc", "sysfs", "cgroup", "cgroup2",
                                        "tmpfs"};

bool IsOfKernel(const Mount& mount) {
  return std::find(std::begin(kTypes), std::end(kTypes), mount.type) !=
         std::end(kTypes);
}

}  // namespace

// At the head of the loop `in` is, of the mounts before, the one that `path` is
// in: the longest, and of two at one place the later.
bool IsMadeByKernel(absl::string_view path, const std::vector<Mount>& mounts) {
  const Mount* in = nullptr;
  for (const Mount& mount : mounts) {
    if (IsWithin(path, mount.mount_point)) {
      if (in == nullptr || mount.mount_point.size() >= in->mount_point.size()) {
        in = &mount;
      }
    } else if (IsWithin(mount.mount_point, path) && !IsOfKernel(mount)) {
      return false;
    }
  }
  return in != nullptr && IsOfKernel(*in);
}

KernelFiles::KernelFiles(std::vector<std::vector<std::string>> groups)
    : groups_(std::move(groups)),
      mounts_(open(kMountInfo, O_RDONLY | O_CLOEXEC)) {}

std::shared_ptr<const std::vector<bool>> KernelFiles::Known() {
  absl::MutexLock lock(&mutex_);
  if (known_ == nullptr) return nullptr;
  // The kernel tells of a change once.
  pollfd change = {mounts_.get(), POLLPRI, 0};
  if (poll(&change, 1, 0) != 0) known_ = nullptr;
  return known_;
}

void KernelFiles::Learn() {
  {
    absl::MutexLock lock(&mutex_);
    // Learned meanwhile. The poll below would keep a change from Known.
    if (known_ != nullptr) return;
  }
  // Poll reports what changes from here on.
  pollfd change = {mounts_.get(), POLLPRI, 0};
  poll(&change, 1, 0);
  absl::StatusOr<std::string> text =
      ReadAll(mounts_.get(), kMountInfo, kMostBytes);
  std::vector<bool> known(groups_.size(), false);
  if (text.ok()) {
    const std::vector<Mount> mounts = ParseMountInfo(*text);
    for (size_t i = 0; i < groups_.size(); ++i) {
      known[i] = std::all_of(groups_[i].begin(), groups_[i].end(),
                             [&](const std::string& path) {
                               return IsMadeByKernel(path, mounts);
                             });
    }
  }
  absl::MutexLock lock(&mutex_);
  known_ = std::make_shared<const std::vector<bool>>(std::move(known));
}

}  // namespace specula::agent
