#include "agent/tail/last_lines.h"

#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

constexpr int64_t kBlockBytes = 64 << 10;
constexpr int kBlocksPerScan = 16;

}  // namespace

LastLines::LastLines(int64_t size, int64_t lines, int64_t max_scan_bytes)
    : size_(size),
      lowest_(std::max<int64_t>(0, size - max_scan_bytes)),
      missing_lines_(lines),
      start_(size) {}

absl::StatusOr<bool> LastLines::Scan(int fd, const std::string& name) {
  std::vector<char> block(kBlockBytes);
  for (int i = 0; i < kBlocksPerScan; ++i) {
    if (missing_lines_ == 0 || start_ <= lowest_) return true;
    const int64_t begin = std::max(lowest_, start_ - kBlockBytes);
    const auto length = static_cast<size_t>(start_ - begin);
    const ssize_t got = pread(fd, block.data(), length, begin);
    if (got < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name));
    }
    if (static_cast<size_t>(got) < length) {
      // It was truncated meanwhile: all that it has now is new.
      start_ = 0;
      missing_lines_ = 0;
      return true;
    }
    size_t rest = length;
    // The newline at the very end ends the last line, it does not begin one.
    if (start_ == size_ && block[rest - 1] == '\n') --rest;
    while (missing_lines_ > 0) {
      const void* newline = memrchr(block.data(), '\n', rest);
      if (newline == nullptr) break;
      rest =
          static_cast<size_t>(static_cast<const char*>(newline) - block.data());
      if (--missing_lines_ == 0) {
        start_ = begin + static_cast<int64_t>(rest) + 1;
        return true;
      }
    }
    start_ = begin;
  }
  return missing_lines_ == 0 || start_ <= lowest_;
}

}  // namespace specula::agent
