#ifndef SPECULA_AGENT_TAIL_LAST_LINES_H_
#define SPECULA_AGENT_TAIL_LAST_LINES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace specula::agent {

// Finds where the last lines of a file begin, reading backwards. A line ends
// with '\n'; what follows the last '\n' is a line too. Done in pieces, so that
// an event loop is not held up. Not thread-safe.
class LastLines {
 public:
  // No more is looked through: where that is not enough for the lines asked
  // for, the lines begin there.
  static constexpr int64_t kMaxScanBytes = 16 << 20;

  // Of the first `size` bytes, the last `lines` lines (0 or more).
  LastLines(int64_t size, int64_t lines);

  // Reads at most 1 MiB more. True once start() is known. `name` is for the
  // error text only.
  absl::StatusOr<bool> Scan(int fd, const std::string& name);

  // Offset of the first byte to show.
  int64_t start() const { return start_; }

 private:
  const int64_t size_;
  int64_t missing_lines_;
  int64_t start_;  // all from here on has been looked through
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_LAST_LINES_H_
