#include "agent/tail/name_lookup.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/tail/file_kind.h"

namespace specula::agent {
namespace {

// Deeper chains are not searched: so many rotations between two looks are no
// longer rotation.
constexpr int kMaxDepth = 9;
constexpr int kMaxAttempts = 3;

// Where the kernel says that an open file is now; "" if it cannot say.
std::string PlaceOf(int fd) {
  char target[PATH_MAX];
  const std::string link = absl::StrCat("/proc/self/fd/", fd);
  const ssize_t length = readlink(link.c_str(), target, sizeof(target));
  if (length <= 0 || static_cast<size_t>(length) == sizeof(target)) return "";
  return std::string(target, static_cast<size_t>(length));
}

// The K of `base`.K; 0 if `place` is not of this form.
int DepthBelow(absl::string_view place, absl::string_view base) {
  int depth;
  if (base.empty() || !absl::ConsumePrefix(&place, base) ||
      !absl::ConsumePrefix(&place, ".") || place.empty() ||
      place.find_first_not_of("0123456789") != place.npos ||
      !absl::SimpleAtoi(place, &depth) || depth > kMaxDepth) {
    return 0;
  }
  return depth;
}

// Whether both times of birth are known and `later` was not born first.
bool BornAfter(int later, int earlier) {
  struct statx a;
  struct statx b;
  if (statx(later, "", AT_EMPTY_PATH, STATX_BTIME, &a) != 0 ||
      statx(earlier, "", AT_EMPTY_PATH, STATX_BTIME, &b) != 0 ||
      (a.stx_mask & b.stx_mask & STATX_BTIME) == 0) {
    return false;
  }
  return std::pair(a.stx_btime.tv_sec, a.stx_btime.tv_nsec) >=
         std::pair(b.stx_btime.tv_sec, b.stx_btime.tv_nsec);
}

}  // namespace

NameLookup::NameLookup(std::string path) : path_(std::move(path)) {}

void NameLookup::Begin() {
  under_way_ = true;
  attempts_ = 1;
  depth_ = 0;
  wanted_ = path_;
}

std::optional<std::string> NameLookup::TakePath() {
  return std::exchange(wanted_, std::nullopt);
}

std::optional<NameLookup::Answer> NameLookup::Feed(
    absl::StatusOr<OpenedFile> file, int newest_fd) {
  if (!under_way_) return std::nullopt;
  if (file.ok()) {
    absl::Status kind = CheckFollowable(file->fd.get(), file->info,
                                        depth_ == 0 ? path_ : now_place_);
    if (!kind.ok()) file = std::move(kind);
  }
  if (depth_ > 0) {
    if (file.ok()) {
      const int before =
          answer_.missed.empty() ? newest_fd : answer_.missed.back().fd.get();
      if (newest_fd >= 0 && BornAfter(file->fd.get(), before) &&
          BornAfter(answer_.now->fd.get(), file->fd.get())) {
        answer_.missed.push_back(*std::move(file));
      }
    }
    return Want(depth_ - 1, newest_fd);
  }
  answer_.now = std::move(file);
  answer_.missed.clear();
  if (!answer_.now.ok() || newest_fd < 0) return Finish();
  now_place_ = PlaceOf(answer_.now->fd.get());
  newest_place_ = PlaceOf(newest_fd);
  const int depth = DepthBelow(newest_place_, now_place_);
  if (depth < 2) return Finish();
  return Want(depth - 1, newest_fd);
}

std::optional<NameLookup::Answer> NameLookup::Want(int depth, int newest_fd) {
  depth_ = depth;
  if (depth > 0) {
    wanted_ = absl::StrCat(now_place_, ".", depth);
    return std::nullopt;
  }
  // A rotation while the chain was walked moves its oldest part first, and the
  // name last. Then what was opened is not to be trusted.
  const bool moved = newest_fd < 0 || PlaceOf(newest_fd) != newest_place_ ||
                     PlaceOf(answer_.now->fd.get()) != now_place_;
  if (!moved) return Finish();
  if (++attempts_ > kMaxAttempts) {
    answer_.missed.clear();
    return Finish();
  }
  wanted_ = path_;
  return std::nullopt;
}

std::optional<NameLookup::Answer> NameLookup::Finish() {
  under_way_ = false;
  return std::exchange(answer_, Answer());
}

}  // namespace specula::agent
