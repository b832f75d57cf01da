#include "agent/broker/tail_open.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/broker/open_file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// Files that hang when they are closed take no more descriptors than these.
constexpr size_t kMaxClosing = 1024;

struct Opened {
  UniqueFd fd;
  struct stat info = {};
};

absl::StatusOr<Opened> OpenAndLook(const std::string& path,
                                   const std::vector<std::string>& roots) {
  Opened file;
  ASSIGN_OR_RETURN(file.fd, OpenRegularFile(path, roots));
  if (fstat(file.fd.get(), &file.info) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("fstat(", path, ")"));
  return file;
}

}  // namespace

void OpenForTail(OffLoop& off_loop, const std::string& path,
                 std::vector<std::string> roots,
                 std::function<void(absl::StatusOr<TailFile>)> done) {
  if (off_loop.closing() >= kMaxClosing) {
    return done(absl::ResourceExhaustedError(absl::StrCat(
        "open(", path, "): too many files hang when they are closed")));
  }
  const Found<absl::StatusOr<Opened>> file;
  // Of one path one thread hangs at most, and the next request for it is
  // refused at once.
  off_loop.Run(
      {{MayHang::kFiles, path,
        [path, roots = std::move(roots), file] {
          file.Set(OpenAndLook(path, roots));
        }}},
      [&off_loop, path, file, done = std::move(done)] {
        std::optional<absl::StatusOr<Opened>> found = file.Take();
        if (!found) {
          return done(absl::DeadlineExceededError(absl::StrCat(
              "open(", path, "): the file system does not answer")));
        }
        if (!found->ok()) return done(found->status());
        done(TailFile{off_loop.Held(std::move((*found)->fd)), (*found)->info});
      });
}

}  // namespace specula::agent
