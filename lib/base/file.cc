#include "lib/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/secret_file.h"
#include "lib/base/status_macros.h"
#include "lib/base/unique_fd.h"

namespace specula {
namespace {

constexpr size_t kMostNameInTemporary = 200;  // of the 255 bytes that it has

absl::StatusOr<UniqueFd> OpenForReading(const std::string& path) {
  // O_NONBLOCK: a FIFO in place of a file must not hang the program.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  return fd;
}

bool Contains(const std::vector<gid_t>& groups, gid_t group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

// Whether the one who is meant, not this process, can read it.
bool CanRead(const FileReader& reader, const struct stat& info) {
  if (reader.user == 0) return true;
  if (info.st_uid == reader.user) return (info.st_mode & S_IRUSR) != 0;
  return (info.st_mode & S_IRGRP) != 0 && Contains(reader.groups, info.st_gid);
}

absl::Status CheckSecret(int fd, const std::string& path,
                         const std::optional<FileReader>& reader) {
  const uid_t user = reader ? reader->user : geteuid();
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("fstat(", path, ")"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " is not a regular file"));
  }
  if (info.st_uid != user && info.st_uid != 0) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s holds a secret but belongs to user %d; it must "
                        "belong to user %d or root",
                        path, info.st_uid, user));
  }
  const bool others = (info.st_mode & S_IRWXO) != 0;
  const bool own_group =
      reader ? Contains(reader->groups, info.st_gid) : IsOwnGroup(info.st_gid);
  const bool foreign_group = (info.st_mode & S_IRWXG) != 0 && !own_group;
  const bool group_writes = (info.st_mode & S_IWGRP) != 0;
  if (others || foreign_group || group_writes) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "%s holds a secret but others may access it (mode %04o); "
        "run: chmod 600 %s",
        path, info.st_mode & 07777, path));
  }
  if (reader && !CanRead(*reader, info)) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "%s cannot be read by the user %s, who reads it in the agent; run: "
        "chown %s %s",
        path, reader->name, reader->name, path));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsOwnGroup(gid_t group) {
  if (group == getegid()) return true;
  std::vector<gid_t> groups(
      static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  int count = getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.begin() + count,
                                group) != groups.begin() + count;
}

absl::StatusOr<std::string> ReadAll(int fd, absl::string_view name,
                                    size_t max_bytes, size_t longest_line) {
  // What the kernel gives at most of a file of lines, also on machines where
  // its pages are larger.
  constexpr size_t kPage = 4096;
  std::string text;
  size_t length = 0;
  while (true) {
    // Files of /proc do not tell their size, so the buffer grows by doubling.
    if (text.size() == length) text.resize(std::max(kPage, length * 2));
    const size_t asked = text.size() - length;
    ssize_t got =
        pread(fd, text.data() + length, asked, static_cast<off_t>(length));
    if (got < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name));
    }
    if (got == 0) break;
    length += static_cast<size_t>(got);
    if (length > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name, " is longer than ", max_bytes, " bytes"));
    }
    if (longest_line > 0 &&
        static_cast<size_t>(got) + longest_line <= std::min(asked, kPage)) {
      break;
    }
  }
  text.resize(length);
  return text;
}

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenForReading(path));
  return ReadAll(fd.get(), path, max_bytes);
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path,
                                           size_t max_bytes) {
  return ReadSecretFileFor(std::nullopt, path, max_bytes);
}

absl::StatusOr<std::string> ReadSecretFileFor(
    const std::optional<FileReader>& reader, const std::string& path,
    size_t max_bytes) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenForReading(path));
  RETURN_IF_ERROR(CheckSecret(fd.get(), path, reader));
  return ReadAll(fd.get(), path, max_bytes);
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content, mode_t mode,
                                 bool replace) {
  // Pids alone would not do: threads share one, and so may containers.
  static std::atomic<uint32_t> count = std::random_device()();
  // A name that is as long as may be has no room for more.
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  const std::string temporary = absl::StrFormat(
      "%s.tmp.%d.%08x", path.substr(0, name + kMostNameInTemporary), getpid(),
      count++);
  UniqueFd fd(open(temporary.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot create ", temporary));
  }
  auto fail = [&](absl::string_view what) {
    absl::Status status =
        absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
    unlink(temporary.c_str());
    return status;
  };
  while (!content.empty()) {
    ssize_t written = write(fd.get(), content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail("cannot write");
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  // The umask may have taken bits away that the caller asked for.
  if (fchmod(fd.get(), mode) != 0) return fail("cannot set the mode of");
  if (fsync(fd.get()) != 0) return fail("cannot write");
  if (replace) {
    if (rename(temporary.c_str(), path.c_str()) != 0)
      return fail("cannot replace");
    return absl::OkStatus();
  }
  // link(2) fails where rename(2) would replace, so two writers cannot both
  // win.
  if (link(temporary.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) {
      unlink(temporary.c_str());
      return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
    }
    return fail("cannot create");
  }
  unlink(temporary.c_str());
  return absl::OkStatus();
}

}  // namespace specula
