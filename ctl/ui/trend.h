#ifndef SPECULA_CTL_UI_TREND_H_
#define SPECULA_CTL_UI_TREND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace specula::ctl {

// A value's last while, in steps of equal length; a step without a value is a
// gap and is drawn as one. Bounded. Pure.
class Trend {
 public:
  static constexpr size_t kSteps = 120;

  // The value at `time`; of several within a step the last counts. Times before
  // the newest step are left out. `step` must be the same each time; another
  // one begins anew.
  void Add(absl::Time time, absl::Duration step, double value);

  // The last `count` steps up to the one that contains `now`, oldest first;
  // NaN is a gap.
  std::vector<float> Last(absl::Time now, size_t count) const;

 private:
  static int64_t StepOf(absl::Time time, absl::Duration step);

  std::array<float, kSteps> values_;
  absl::Duration step_ = absl::ZeroDuration();  // 0: empty
  int64_t newest_ = 0;
};

// A line of text with one column for each value of 0 to 1 (two in braille);
// gaps are spaces. `braille`: else characters of ASCII, from "." up to "%".
std::string Sparkline(const std::vector<float>& values, bool braille);

// How many values a sparkline of `width` columns shows.
inline size_t SparklineValues(size_t width, bool braille) {
  return braille ? 2 * width : width;
}

// A graph `height` lines high, top line first; each as Sparkline.
std::vector<std::string> Graph(const std::vector<float>& values, size_t height,
                               bool braille);

// "[####....] " without the brackets: `width` columns, `fraction` of them full.
std::string Bar(double fraction, size_t width);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_TREND_H_
