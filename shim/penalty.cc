#include "shim/penalty.h"

#include <algorithm>
#include <iterator>

namespace specula::shim {
namespace {

constexpr int kFree = 3;
constexpr absl::Duration kFirst = absl::Milliseconds(100);
constexpr absl::Duration kMost = absl::Seconds(2);
constexpr int kDoublings = 5;  // from the first beyond the most
constexpr absl::Duration kForgiven = absl::Minutes(1);
constexpr size_t kMostSources = 4096;

}  // namespace

absl::Duration Penalties::Fail(absl::string_view source, absl::Duration now) {
  if (sources_.size() >= kMostSources) Forget(now);
  Failures& failures = sources_[source];
  if (now - failures.last >= kForgiven) failures.count = 0;
  failures.last = now;
  ++failures.count;
  if (failures.count <= kFree) return absl::ZeroDuration();
  const int doublings = std::min(failures.count - kFree - 1, kDoublings);
  return std::min(kFirst * (1 << doublings), kMost);
}

void Penalties::Forget(absl::Duration now) {
  for (auto it = sources_.begin(); it != sources_.end();) {
    const auto here = it++;
    if (now - here->second.last >= kForgiven) sources_.erase(here);
  }
  // So many at once are one attacker, who gains little by being forgotten.
  if (sources_.size() >= kMostSources) sources_.clear();
}

}  // namespace specula::shim
