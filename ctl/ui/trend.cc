#include "ctl/ui/trend.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace specula::ctl {
namespace {

constexpr float kGap = std::numeric_limits<float>::quiet_NaN();
constexpr char kLevels[] = ".:-=+*#%";
// Dots of a braille cell from the bottom up, left and right column.
constexpr int kDots[2][4] = {{0x40, 0x04, 0x02, 0x01},
                             {0x80, 0x20, 0x10, 0x08}};

size_t Slot(int64_t step) {
  return static_cast<size_t>(step % static_cast<int64_t>(Trend::kSteps));
}

void AppendBraille(int dots, std::string& text) {
  if (dots == 0) {
    text += ' ';
    return;
  }
  const int code = 0x2800 + dots;
  text += static_cast<char>(0xe0 | (code >> 12));
  text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
  text += static_cast<char>(0x80 | (code & 0x3f));
}

// How many of a column's `most` dots are lit; a value is never invisible.
int Lit(float value, size_t most) {
  if (std::isnan(value)) return 0;
  return std::clamp(
      static_cast<int>(std::ceil(value * static_cast<float>(most))), 1,
      static_cast<int>(most));
}

}  // namespace

int64_t Trend::StepOf(absl::Time time, absl::Duration step) {
  return (time - absl::UnixEpoch()) / step;
}

void Trend::Add(absl::Time time, absl::Duration step, double value) {
  const int64_t at = StepOf(time, step);
  if (at < 0) return;
  if (step != step_) {
    step_ = step;
    newest_ = at;
    values_.fill(kGap);
  }
  if (at < newest_) return;
  const int64_t fresh = std::min(at - newest_, static_cast<int64_t>(kSteps));
  for (int64_t i = 0; i < fresh; ++i) values_[Slot(at - i)] = kGap;
  newest_ = at;
  values_[Slot(at)] = static_cast<float>(value);
}

std::vector<float> Trend::Last(absl::Time now, size_t count) const {
  std::vector<float> last(count, kGap);
  if (step_ == absl::ZeroDuration()) return last;
  // The step that is under way may still get its value: until then the one
  // before it is the newest.
  int64_t end = StepOf(now, step_);
  if (end == newest_ + 1) end = newest_;
  for (size_t i = 0; i < count; ++i) {
    const int64_t at = end - static_cast<int64_t>(i);
    if (at > newest_ || at < 0 ||
        newest_ - at >= static_cast<int64_t>(kSteps)) {
      continue;
    }
    last[count - 1 - i] = values_[Slot(at)];
  }
  return last;
}

std::string Sparkline(const std::vector<float>& values, bool braille) {
  return Graph(values, 1, braille).front();
}

std::vector<std::string> Graph(const std::vector<float>& values, size_t height,
                               bool braille) {
  std::vector<std::string> lines(height);
  if (!braille) {
    const size_t levels = height == 1 ? sizeof kLevels - 1 : height;
    for (const float value : values) {
      const int lit = Lit(value, levels);
      for (size_t row = 0; row < height; ++row) {
        const bool full = lit >= static_cast<int>(height - row);
        lines[row] += lit == 0      ? ' '
                      : height == 1 ? kLevels[lit - 1]
                      : full        ? '#'
                                    : ' ';
      }
    }
    return lines;
  }
  for (size_t i = 0; i < values.size(); i += 2) {
    for (size_t row = 0; row < height; ++row) {
      int dots = 0;
      for (size_t side = 0; side < 2 && i + side < values.size(); ++side) {
        const int below = static_cast<int>(4 * (height - 1 - row));
        const int lit = Lit(values[i + side], 4 * height) - below;
        for (int dot = 0; dot < std::min(lit, 4); ++dot) {
          dots |= kDots[side][dot];
        }
      }
      AppendBraille(dots, lines[row]);
    }
  }
  return lines;
}

std::string Bar(double fraction, size_t width) {
  const auto full = static_cast<size_t>(
      std::lround(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width)));
  return std::string(full, '#') + std::string(width - full, '.');
}

}  // namespace specula::ctl
