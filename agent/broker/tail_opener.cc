#include "agent/broker/tail_opener.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/broker/open_file.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// Files that hang when they are closed take no more descriptors than these.
constexpr size_t kMaxClosing = 1024;

// Files of one mount that are opened at once as if all were well.
constexpr ptrdiff_t kMaxPerMount = 8;

constexpr size_t kMaxMountinfoBytes = 16 << 20;

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

absl::Status Silent(const std::string& path) {
  return absl::DeadlineExceededError(
      absl::StrCat("open(", path, "): the file system does not answer"));
}

// How many of `others` are on the mount of `path`.
ptrdiff_t CountBeside(const std::string& path,
                      const std::vector<std::string>& others) {
  const std::string mounts =
      ReadFile("/proc/self/mountinfo", kMaxMountinfoBytes).value_or("");
  const std::string mount = MountPointOf(mounts, path);
  return std::count_if(others.begin(), others.end(),
                       [&](const std::string& other) {
                         return MountPointOf(mounts, other) == mount;
                       });
}

// The kernel writes space, tab, newline and backslash as \ooo.
std::string Unescape(absl::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  // What is before `i` is in `plain`.
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
        is_octal(text[i + 2]) && is_octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 +
                                 (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

std::string MountPointOf(absl::string_view mountinfo, absl::string_view path) {
  constexpr size_t kMountPoint = 4;
  std::string best = "/";
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(' ', kMountPoint + 1));
    if (fields.size() <= kMountPoint) continue;
    std::string mount = Unescape(fields[kMountPoint]);
    if (mount.size() > best.size() && PathBelow(mount, path).ok())
      best = std::move(mount);
  }
  return best;
}

void TailOpener::Open(const std::string& path, std::vector<std::string> roots,
                      Done done) {
  if (off_loop_->closing() >= kMaxClosing) {
    return done(absl::ResourceExhaustedError(absl::StrCat(
        "open(", path, "): too many files hang when they are closed")));
  }
  for (auto each = out_.begin(); each != out_.end();)
    each = each->second.alive.expired() ? out_.erase(each) : std::next(each);
  // A path that is out already waits in line behind itself, and needs no other
  // thread.
  if (const auto known = out_.find(path); known != out_.end()) {
    if (Token token = known->second.alive.lock(); token != nullptr) {
      return OpenAs(known->second.kind, path, std::move(roots),
                    std::move(token), std::move(done));
    }
  }
  std::vector<std::string> others;
  for (const auto& [other, out] : out_) others.push_back(other);
  const Token token = std::make_shared<char>();
  out_[path] = {token, MayHang::kMoreFiles};
  const auto decide = [this, path, roots = std::move(roots), token,
                       done = std::move(done)](MayHang kind) {
    out_[path].kind = kind;
    OpenAs(kind, path, roots, token, done);
  };
  if (static_cast<ptrdiff_t>(others.size()) < kMaxPerMount)
    return decide(MayHang::kFiles);
  const Found<ptrdiff_t> beside;
  off_loop_->Run({{MayHang::kProcesses, absl::StrCat("mount of ", path),
                   [path, others = std::move(others), beside] {
                     beside.Set(CountBeside(path, others));
                   }}},
                 [beside, decide] {
                   decide(beside.Take().value_or(kMaxPerMount) < kMaxPerMount
                              ? MayHang::kFiles
                              : MayHang::kMoreFiles);
                 });
}

void TailOpener::OpenAs(MayHang kind, const std::string& path,
                        std::vector<std::string> roots, Token token,
                        Done done) {
  const Found<absl::StatusOr<Opened>> file;
  // Of one path one thread hangs at most, and the next request for it is
  // refused at once.
  off_loop_->Run({{kind, path,
                   [path, roots = std::move(roots), token = std::move(token),
                    file] { file.Set(OpenAndLook(path, roots)); }}},
                 [this, path, file, done = std::move(done)] {
                   std::optional<absl::StatusOr<Opened>> found = file.Take();
                   if (!found) return done(Silent(path));
                   if (!found->ok()) return done(found->status());
                   done(OpenedTail{off_loop_->Held(std::move((*found)->fd)),
                                   (*found)->info});
                 });
}

}  // namespace specula::agent
