#ifndef SPECULA_AGENT_TAIL_LAST_LINES_H_
#define SPECULA_AGENT_TAIL_LAST_LINES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace specula::agent {

// Finds where the last lines of a file begin, reading backwards. A line ends
// with '\n'; what follows the last '\n' is a line too. Done in pieces, so that
// others have their turn. Not thread-safe.
class LastLines {
 public:
  // No more is looked through by default: 100,000 lines of 10 KiB.
  static constexpr int64_t kMaxScanBytes = 1 << 30;

  // Of the first `size` bytes, the last `lines` lines (0 or more), if they lie
  // in the last `max_scan_bytes`.
  LastLines(int64_t size, int64_t lines,
            int64_t max_scan_bytes = kMaxScanBytes);

  // Reads at most 1 MiB more. True once start() is known. `name` is for the
  // error text only.
  absl::StatusOr<bool> Scan(int fd, const std::string& name);

  // Offset of the first byte to show.
  int64_t start() const { return start_; }

  // Whether there may be more of the lines that were asked for before start():
  // the bytes that may be looked through were not enough, and start() may lie
  // amid a line.
  bool cut() const { return missing_lines_ > 0 && start_ > 0; }

 private:
  const int64_t size_;
  const int64_t lowest_;
  int64_t missing_lines_;
  int64_t start_;  // all from here on has been looked through
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_LAST_LINES_H_
