#include "lib/base/directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace specula {
namespace {

// One of the parts. The directory if it was made; not valid if it was there.
absl::StatusOr<UniqueFd> MakeOne(const std::string& path, mode_t mode) {
  const auto fail = [&](const char* what) {
    return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
  };
  // Nobody else can do anything in it before it has its mode.
  if (mkdir(path.c_str(), mode & 0700) != 0) {
    const int error = errno;
    struct stat there;
    // Also where mkdir complains of a file system that is only read.
    if (stat(path.c_str(), &there) == 0 && S_ISDIR(there.st_mode))
      return UniqueFd();
    errno = error;
    return fail("cannot make");
  }
  // By its descriptor: a link may have been put in its place.
  UniqueFd made(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made.valid()) return fail("cannot open");
  if (fchmod(made.get(), mode) != 0) return fail("cannot set the mode of");
  return made;
}

}  // namespace

absl::StatusOr<UniqueFd> MakeDirectories(const std::string& path, mode_t mode,
                                         mode_t parent_mode) {
  if (path.empty()) return absl::InvalidArgumentError("no directory is named");
  const size_t last = path.find_last_not_of('/');
  if (last == std::string::npos) return UniqueFd();  // the root
  const std::string trimmed = path.substr(0, last + 1);
  for (size_t slash = trimmed.find('/', 1); slash != std::string::npos;
       slash = trimmed.find('/', slash + 1)) {
    absl::StatusOr<UniqueFd> part =
        MakeOne(trimmed.substr(0, slash), parent_mode);
    if (!part.ok()) return part;
  }
  return MakeOne(trimmed, mode);
}

}  // namespace specula
