#include "agent/proc/proc_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
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
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxBytes = 4 << 20;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

ProcRoot::ProcRoot(std::string root, absl::Duration look_again)
    : root_(std::move(root)), look_again_(look_again) {}

std::string ProcRoot::Path(absl::string_view path) const {
  return absl::StrCat(root_, path);
}

absl::StatusOr<std::string> ProcRoot::Read(absl::string_view path) const {
  return ReadFile(Path(path), kMaxBytes);
}

std::shared_ptr<const UniqueFd> ProcRoot::Kept(absl::string_view path) const {
  const absl::Duration now = MonotonicNow();
  Pinned kept;
  {
    absl::MutexLock lock(&mutex_);
    auto found = pinned_.find(path);
    if (found == pinned_.end()) return nullptr;
    kept = found->second;
    if (now - kept.looked < look_again_) return kept.fd;
    found->second.looked = now;
  }
  struct stat named;
  if (stat(Path(path).c_str(), &named) == 0 && named.st_dev == kept.device &&
      named.st_ino == kept.inode) {
    return kept.fd;
  }
  // The last reference is `kept`: closing it may hang, and must not do so under
  // the lock.
  absl::MutexLock lock(&mutex_);
  auto found = pinned_.find(path);
  if (found != pinned_.end() && found->second.fd == kept.fd)
    pinned_.erase(found);
  return nullptr;
}

absl::StatusOr<ProcRoot::Pinned> ProcRoot::Open(absl::string_view path) const {
  const std::string full = Path(path);
  Pinned pinned;
  pinned.looked = MonotonicNow();
  UniqueFd fd(open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat opened;
  if (!fd.valid() || fstat(fd.get(), &opened) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", full));
  }
  pinned.device = opened.st_dev;
  pinned.inode = opened.st_ino;
  pinned.fd = std::make_shared<const UniqueFd>(std::move(fd));
  return pinned;
}

absl::StatusOr<std::string> ProcRoot::ReadPinned(absl::string_view path,
                                                 size_t longest_line) {
  if (std::shared_ptr<const UniqueFd> kept = Kept(path); kept != nullptr) {
    absl::StatusOr<std::string> text =
        ReadAll(kept->get(), path, kMaxBytes, longest_line);
    if (text.ok()) return text;
  }
  absl::StatusOr<Pinned> pinned = Open(path);
  absl::StatusOr<std::string> text =
      pinned.ok() ? ReadAll(pinned->fd->get(), path, kMaxBytes, longest_line)
                  : pinned.status();
  // Closed without the lock.
  std::shared_ptr<const UniqueFd> before;
  absl::MutexLock lock(&mutex_);
  Pinned& place = pinned_[path];
  before = std::move(place.fd);
  if (text.ok()) {
    place = *std::move(pinned);
  } else {
    pinned_.erase(path);
  }
  return text;
}

bool ProcRoot::PinnedHasChanged(absl::string_view path) const {
  const std::shared_ptr<const UniqueFd> kept = Kept(path);
  if (kept == nullptr) return true;
  // A file of which the kernel does not tell can always be written to, for
  // poll: POLLOUT.
  pollfd changes = {kept->get(), POLLPRI | POLLOUT, 0};
  return poll(&changes, 1, 0) != 0;
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
