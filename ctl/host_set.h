#ifndef SPECULA_CTL_HOST_SET_H_
#define SPECULA_CTL_HOST_SET_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/host_port.h"

namespace specula::ctl {

// No set may have more hosts than this: a slip of the finger in a range must
// not eat the memory of the machine.
inline constexpr size_t kMostHosts = 100'000;

// Reads a set of hosts as people write it:
//
//   vm1,vm2:7000        a list; a port where it is not the default
//   vm[01-64]           a range, with leading zeros kept
//   vm[1-9/2,20]        steps and lists within the brackets
//   r[1-3]n[1-4]        every combination, the last brackets running fastest
//   10.0.0.[1-9]:60120  addresses as well
//   [::1]:60120, ::1    an IPv6 address; its brackets are no range
//
// In the order written; a host that comes twice counts once. INVALID_ARGUMENT
// points at the part that is odd: an empty name, a range that is open or runs
// backwards, more than kMostHosts hosts. Pure.
absl::StatusOr<std::vector<HostPort>> ParseHostSet(absl::string_view text,
                                                   uint16_t default_port);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOST_SET_H_
