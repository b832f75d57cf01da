#include "agent/tail/path_trace.h"

#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace specula::agent {
namespace {

constexpr int kMaxLinks = 40;  // the kernel's

std::string Join(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory == "/" ? "" : directory, "/", name);
}

// Puts the parts of `path` on the stack `parts`, the first on top.
void Push(const std::string& path, std::vector<std::string>& parts) {
  std::vector<std::string> pieces =
      absl::StrSplit(path, '/', absl::SkipEmpty());
  parts.insert(parts.end(), pieces.rbegin(), pieces.rend());
}

}  // namespace

PathTrace TracePath(const std::string& path) {
  PathTrace trace;
  std::vector<std::string> parts;
  Push(path, parts);
  std::string directory = "/";
  int links = 0;
  while (!parts.empty()) {
    const std::string name = std::move(parts.back());
    parts.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      directory.resize(directory.rfind('/'));
      if (directory.empty()) directory = "/";
      continue;
    }
    const std::string full = Join(directory, name);
    char target[PATH_MAX];
    const ssize_t length = readlink(full.c_str(), target, sizeof(target));
    if (length >= 0) {
      trace.hops.push_back({directory, name});
      if (++links > kMaxLinks) {
        trace.status = absl::FailedPreconditionError(
            absl::StrCat("too many links on the way to ", path));
        return trace;
      }
      const std::string link(target, static_cast<size_t>(length));
      if (link.starts_with('/')) directory = "/";
      Push(link, parts);
      continue;
    }
    if (errno == EINVAL) {  // it is there and no link
      if (parts.empty()) {
        trace.hops.push_back({directory, name});
        trace.target = full;
        return trace;
      }
      directory = full;
      continue;
    }
    if (errno != ENOENT && errno != ENOTDIR) {
      trace.status =
          absl::ErrnoToStatus(errno, absl::StrCat("readlink(", full, ")"));
    }
    if (errno == ENOTDIR && directory != "/") {
      // A file where a directory is to be: it is that name which must change.
      const size_t slash = directory.rfind('/');
      trace.hops.push_back({slash == 0 ? "/" : directory.substr(0, slash),
                            directory.substr(slash + 1)});
    } else {
      trace.hops.push_back({directory, name});
    }
    return trace;
  }
  trace.target = directory;
  return trace;
}

}  // namespace specula::agent
