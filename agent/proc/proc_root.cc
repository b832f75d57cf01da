#include "agent/proc/proc_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/file.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxBytes = 4 << 20;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

ProcRoot::ProcRoot(std::string root) : root_(std::move(root)) {}

std::string ProcRoot::Path(absl::string_view path) const {
  return absl::StrCat(root_, path);
}

absl::StatusOr<std::string> ProcRoot::Read(absl::string_view path) const {
  return ReadFile(Path(path), kMaxBytes);
}

absl::StatusOr<std::string> ProcRoot::ReadPinned(absl::string_view path,
                                                 size_t longest_line) {
  int fd = -1;
  {
    absl::MutexLock lock(&mutex_);
    auto found = pinned_.find(path);
    if (found == pinned_.end()) {
      const std::string full = Path(path);
      UniqueFd opened(
          open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
      if (!opened.valid()) {
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", full));
      }
      found = pinned_.emplace(path, std::move(opened)).first;
    }
    fd = found->second.get();
  }
  return ReadAll(fd, path, kMaxBytes, longest_line);
}

bool ProcRoot::PinnedHasChanged(absl::string_view path) const {
  pollfd changes = {-1, POLLPRI, 0};
  {
    absl::MutexLock lock(&mutex_);
    auto found = pinned_.find(path);
    if (found == pinned_.end()) return true;
    changes.fd = found->second.get();
  }
  return poll(&changes, 1, 0) != 0 &&
         (changes.revents & (POLLPRI | POLLERR)) != 0;
}

absl::StatusOr<std::vector<std::string>> ProcRoot::List(
    absl::string_view path) const {
  const std::string full = Path(path);
  std::unique_ptr<DIR, CloseDirectory> directory(opendir(full.c_str()));
  if (directory == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", full));
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", full));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ProcRoot::ReadLink(absl::string_view path) const {
  const std::string full = Path(path);
  char target[PATH_MAX];
  const ssize_t length = readlink(full.c_str(), target, sizeof(target));
  if (length < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read link ", full));
  }
  // A target that fills the buffer may have been cut.
  if (static_cast<size_t>(length) == sizeof(target)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("target of ", full, " is too long"));
  }
  return std::string(target, static_cast<size_t>(length));
}

bool ProcRoot::Exists(absl::string_view path) const {
  return access(Path(path).c_str(), F_OK) == 0;
}

}  // namespace specula::agent
