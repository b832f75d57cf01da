#include "agent/tail/opener.h"

#include <fcntl.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/tail/file_kind.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

absl::Status OpenError(const std::string& path) {
  const std::string what = absl::StrCat("cannot open ", path);
  switch (errno) {
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat(what, ": Not a directory"));
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::ErrnoToStatus(errno, what).message());
    case ELOOP:
      return absl::FailedPreconditionError(
          absl::ErrnoToStatus(errno, what).message());
    default:
      return absl::ErrnoToStatus(errno, what);
  }
}

}  // namespace

absl::StatusOr<OpenedFile> PlainOpener::Open(const std::string& path) {
  // O_PATH does not wake a FIFO's writer or rewind a tape.
  UniqueFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return OpenError(path);
  OpenedFile file;
  if (fstat(place.get(), &file.info) != 0) return OpenError(path);
  RETURN_IF_ERROR(CheckFollowable(place.get(), file.info, path));
  const std::string same = absl::StrCat("/proc/self/fd/", place.get());
  file.fd.Reset(
      open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.fd.valid()) return OpenError(path);
  if (fstat(file.fd.get(), &file.info) != 0) return OpenError(path);
  return file;
}

}  // namespace specula::agent
