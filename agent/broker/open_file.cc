#include "agent/broker/open_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// As many as the kernel follows.
constexpr int kMaxLinks = 40;

// File systems whose files are questions to the kernel, not data. Those that
// <linux/magic.h> of Debian 12 has no name for are written out.
constexpr long kKernelFilesystems[] = {
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    DEBUGFS_MAGIC,
    TRACEFS_MAGIC,
    SECURITYFS_MAGIC,
    SELINUX_MAGIC,
    SMACK_MAGIC,
    CGROUP_SUPER_MAGIC,
    CGROUP2_SUPER_MAGIC,
    PSTOREFS_MAGIC,
    EFIVARFS_MAGIC,
    BPF_FS_MAGIC,
    NSFS_MAGIC,
    SOCKFS_MAGIC,
    PIPEFS_MAGIC,
    DEVPTS_SUPER_MAGIC,
    BINFMTFS_MAGIC,
    RDTGROUP_SUPER_MAGIC,
    ANON_INODE_FS_MAGIC,
    0x62656570 /* configfs */,
    0x65735543 /* fusectl */,
    0x19800202 /* mqueue */,
};

absl::Status Denied(absl::string_view path, absl::string_view why) {
  return absl::PermissionDeniedError(absl::StrCat("open(", path, "): ", why));
}

absl::Status Failed(absl::string_view path, int error) {
  const std::string text = absl::StrCat("open(", path, "): ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EXDEV:
      return Denied(path, "leads out of the directories that may be read here");
    case ELOOP:
      return Denied(path, "a link of the kernel's own, or a loop of links");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

int OpenAt2(int directory, const std::string& path, uint64_t resolve) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve;
  // EAGAIN: something was renamed meanwhile and "beneath" could not be proved.
  constexpr int kTries = 16;
  long fd = -1;
  for (int i = 0; i < kTries; ++i) {
    fd = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return static_cast<int>(fd);
}

bool IsOn(int fd, long magic) {
  struct statfs filesystem;
  return fstatfs(fd, &filesystem) == 0 && filesystem.f_type == magic;
}

// Walks a path component by component, by descriptors, so that what was checked
// is what is used. For kernels without openat2, and for absolute links under
// roots, which RESOLVE_BENEATH refuses though they may lead back to a root.
class Walk {
 public:
  absl::StatusOr<UniqueFd> Run(const std::string& path,
                               const std::vector<std::string>& roots) {
    ASSIGN_OR_RETURN(UniqueFd fd, Follow(path));
    if (roots.empty()) return fd;
    const std::string place = absl::StrCat("/", absl::StrJoin(names_, "/"));
    for (const std::string& root : roots) {
      // A root may be reached by links as well; where it really is counts.
      Walk walk;
      if (!walk.Follow(root).ok()) continue;
      if (PathBelow(absl::StrCat("/", absl::StrJoin(walk.names_, "/")), place)
              .ok())
        return fd;
    }
    return Failed(path, EXDEV);
  }

 private:
  absl::StatusOr<UniqueFd> Follow(const std::string& path) {
    std::vector<std::string> left = Components(path);
    UniqueFd fd;
    RETURN_IF_ERROR(StartAtRoot(path));
    while (!left.empty()) {
      const std::string name = std::move(left.back());
      left.pop_back();
      if (name == "..") {
        if (!names_.empty()) {
          names_.pop_back();
          directories_.pop_back();
        }
        fd.Reset();
        continue;
      }
      fd.Reset(openat(directories_.back().get(), name.c_str(),
                      O_PATH | O_NOFOLLOW | O_CLOEXEC));
      struct stat info;
      if (!fd.valid() || fstat(fd.get(), &info) != 0)
        return Failed(path, errno);
      if (S_ISLNK(info.st_mode)) {
        ASSIGN_OR_RETURN(const std::string target, ReadLink(path, fd.get()));
        if (++links_ > kMaxLinks) return Failed(path, ELOOP);
        if (absl::StartsWith(target, "/")) RETURN_IF_ERROR(StartAtRoot(path));
        for (std::string& part : Components(target))
          left.push_back(std::move(part));
        fd.Reset();
        continue;
      }
      names_.push_back(name);
      directories_.push_back(std::move(fd));
    }
    fd = std::move(directories_.back());
    directories_.pop_back();
    return fd;
  }

  // The last one first, so that work is taken from the back.
  static std::vector<std::string> Components(absl::string_view path) {
    std::vector<std::string> parts;
    for (absl::string_view part :
         absl::StrSplit(path, '/', absl::SkipEmpty())) {
      if (part != ".") parts.emplace_back(part);
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
  }

  static absl::StatusOr<std::string> ReadLink(const std::string& path,
                                              int link) {
    // What /proc's links say is not where they lead.
    if (IsOn(link, PROC_SUPER_MAGIC)) return Failed(path, ELOOP);
    char target[PATH_MAX];
    const ssize_t length = readlinkat(link, "", target, sizeof target);
    if (length < 0) return Failed(path, errno);
    return std::string(target, static_cast<size_t>(length));
  }

  absl::Status StartAtRoot(const std::string& path) {
    names_.clear();
    directories_.clear();
    directories_.emplace_back(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return directories_.back().valid() ? absl::OkStatus() : Failed(path, errno);
  }

  int links_ = 0;
  std::vector<std::string> names_;     // where we are, from the root
  std::vector<UniqueFd> directories_;  // the same; one longer, for the root
};

absl::Status CheckIsData(const std::string& path, int fd) {
  struct statfs filesystem;
  if (fstatfs(fd, &filesystem) != 0) return Failed(path, errno);
  const bool kernels =
      std::any_of(std::begin(kKernelFilesystems), std::end(kKernelFilesystems),
                  [&](long magic) { return filesystem.f_type == magic; });
  return kernels ? Denied(path, "not a file but a view into the kernel")
                 : absl::OkStatus();
}

absl::Status CheckIsRegular(const std::string& path, int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Failed(path, errno);
  const char* kind = S_ISDIR(info.st_mode)    ? "a directory"
                     : S_ISFIFO(info.st_mode) ? "a FIFO"
                     : S_ISSOCK(info.st_mode) ? "a socket"
                     : S_ISREG(info.st_mode)  ? nullptr
                                              : "a device";
  if (kind == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("open(", path, "): is ", kind, ", not a regular file"));
}

std::string ProcPath(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

}  // namespace

absl::Status CheckPath(absl::string_view path) {
  if (!absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("open(", path, "): not an absolute path"));
  }
  if (path.size() >= PATH_MAX || absl::StrContains(path, '\0')) {
    return absl::InvalidArgumentError(
        "open(): a path is at most 4095 bytes and has no NUL");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> PathBelow(absl::string_view root,
                                      absl::string_view path) {
  const auto parts = [](absl::string_view text) {
    std::vector<absl::string_view> all =
        absl::StrSplit(text, '/', absl::SkipEmpty());
    all.erase(std::remove(all.begin(), all.end(), "."), all.end());
    return all;
  };
  const std::vector<absl::string_view> above = parts(root);
  const std::vector<absl::string_view> whole = parts(path);
  const bool below = above.size() <= whole.size() &&
                     std::equal(above.begin(), above.end(), whole.begin()) &&
                     std::find(whole.begin(), whole.end(), "..") == whole.end();
  if (!below)
    return absl::NotFoundError(absl::StrCat(path, " is not below ", root));
  if (above.size() == whole.size()) return ".";
  return absl::StrJoin(whole.begin() + static_cast<ptrdiff_t>(above.size()),
                       whole.end(), "/");
}

absl::StatusOr<UniqueFd> ResolvePath(const std::string& path,
                                     const std::vector<std::string>& roots,
                                     bool use_openat2) {
  RETURN_IF_ERROR(CheckPath(path));
  if (!use_openat2) return Walk().Run(path, roots);
  if (roots.empty()) {
    UniqueFd fd(OpenAt2(AT_FDCWD, path, RESOLVE_NO_MAGICLINKS));
    if (fd.valid()) return fd;
    if (errno == ENOSYS) return Walk().Run(path, roots);
    return Failed(path, errno);
  }
  for (const std::string& root : roots) {
    const auto below = PathBelow(root, path);
    if (!below.ok()) continue;
    const UniqueFd directory(
        open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) continue;
    UniqueFd fd(OpenAt2(directory.get(), *below,
                        RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
    if (fd.valid()) return fd;
    if (errno != EXDEV && errno != ENOSYS) return Failed(path, errno);
  }
  return Walk().Run(path, roots);
}

absl::StatusOr<UniqueFd> OpenRegularFile(const std::string& path,
                                         const std::vector<std::string>& roots,
                                         bool use_openat2) {
  ASSIGN_OR_RETURN(const UniqueFd place, ResolvePath(path, roots, use_openat2));
  // Before it is opened: opening a watchdog starts it, opening a tape rewinds
  // it.
  RETURN_IF_ERROR(CheckIsRegular(path, place.get()));
  RETURN_IF_ERROR(CheckIsData(path, place.get()));
  UniqueFd fd(open(ProcPath(place.get()).c_str(),
                   O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) return Failed(path, errno);
  return fd;
}

}  // namespace specula::agent
