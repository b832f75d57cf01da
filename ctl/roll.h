#ifndef SPECULA_CTL_ROLL_H_
#define SPECULA_CTL_ROLL_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

// "5" hosts or "10%" of `total`, rounded up, so that a share above 0 is never
// nobody. INVALID_ARGUMENT for anything else, and for more than 100%.
absl::StatusOr<size_t> ParseShare(absl::string_view text, size_t total);

// Who of a batch may begin when: all at once, or so many at a time; first a few
// canaries alone, then one group after the other, each when the one before has
// ended. When too many have failed nobody begins any more. Pure.
class Roll {
 public:
  struct Options {
    size_t total = 0;
    size_t width = 0;   // at the same time; 0: all
    size_t canary = 0;  // before the others; 0: none
    size_t group = 0;   // after the canaries; 0: all the rest
    // So many failures are borne; a further one stops the roll.
    size_t most_failed = SIZE_MAX;
  };

  explicit Roll(const Options& options);

  // Whether one more may begin now; `began` and `ended` are so many so far,
  // `failed` so many of those that ended.
  bool MayBegin(size_t began, size_t ended, size_t failed) const;

  // Whether nobody begins any more.
  bool Stopped(size_t failed) const { return failed > options_.most_failed; }

 private:
  const Options options_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_ROLL_H_
