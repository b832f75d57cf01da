#ifndef SPECULA_CTL_DOCTOR_H_
#define SPECULA_CTL_DOCTOR_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ctl/fan_out.h"
#include "ctl/views.h"
#include "specula/v1/specula.pb.h"

// Whether the agents of a fleet are well: what needs a hand, and who is not
// like the others. Pure.
namespace specula::ctl {

// A status, and when by the controller's clock it was asked for and came.
struct CheckUp {
  v1::StatusResponse status;
  absl::Time asked;
  absl::Time answered;
};

// From here on something is said; of file systems from kCriticalPercent on, as
// in top.
inline constexpr absl::Duration kMostClockSkew = absl::Seconds(5);
inline constexpr absl::Duration kLeastCertificateTime = absl::Hours(30 * 24);
inline constexpr int64_t kLeastStateBytes = int64_t{256} << 20;

// How far the host's clock is off at the least: the collection lay between
// asking and answer, so a clock that shows a time between them may be right
// (0). Positive: it is ahead.
absl::Duration ClockSkew(const CheckUp& check_up);

// What is the matter with one host, worst first; empty: nothing.
struct Diagnosis {
  std::vector<std::string> findings;
};

// One for each host, in their order. Versions, configurations, ceilings and
// supervisions are compared with what most of the hosts that answered have; of
// two that are equally frequent, that of the host that comes first.
std::vector<Diagnosis> Diagnose(absl::Span<const HostResult<CheckUp>> results,
                                absl::Time now);

// The table: hosts with findings first, those without a result in front.
std::string ViewDoctor(const std::vector<Target>& targets,
                       const Results<CheckUp>& results,
                       const std::vector<Diagnosis>& diagnoses, absl::Time now);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_DOCTOR_H_
