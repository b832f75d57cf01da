#ifndef SPECULA_CTL_HOSTS_PATTERN_H_
#define SPECULA_CTL_HOSTS_PATTERN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

// No set may have more hosts than this: a slip of the finger in a range must
// not eat the memory of the machine.
inline constexpr size_t kMostHosts = 100'000;

// Names for which `pattern` stands:
//
//   vm1             itself
//   vm[01-64]       a range, with leading zeros kept
//   vm[1-9/2,20]    steps and lists within the brackets
//   r[1-3]n[1-4]    every combination, the last brackets running fastest
//   [::1]:60120     brackets around an IPv6 address are no range
//
// In the order written, as often as written. INVALID_ARGUMENT points at what is
// odd: a range that is open or runs backwards, more than `most` names. Pure.
absl::StatusOr<std::vector<std::string>> ExpandPattern(
    absl::string_view pattern, size_t most = kMostHosts);

// Longer runs of digits are no counters of hosts, but text; these fit into
// int64.
inline constexpr size_t kMostDigits = 15;

// The digits of a number, with leading zeros up to `width`.
std::string PadNumber(int64_t number, size_t width);

// An error about `part` of a host set.
absl::Status OddHostSet(absl::string_view part, absl::string_view why);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_PATTERN_H_
