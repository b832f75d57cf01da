#ifndef SPECULA_CTL_QUANTITY_H_
#define SPECULA_CTL_QUANTITY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// Amounts as people write them on a command line. INVALID_ARGUMENT says what is
// odd. Pure.
namespace specula::ctl {

// "2" (seconds), "0.5", "250ms", "2s", "1.5m", "1h", "30d"; up to a year, never
// negative.
absl::StatusOr<absl::Duration> ParseQuantityOfTime(absl::string_view text);

// "4096", "64K", "64KiB", "10M", "1G", by powers of 1024; never negative.
absl::StatusOr<int64_t> ParseQuantityOfBytes(absl::string_view text);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_QUANTITY_H_
