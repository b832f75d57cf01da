#ifndef SPECULA_TESTS_E2E_TIMED_ROWS_H_
#define SPECULA_TESTS_E2E_TIMED_ROWS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace specula::testing {

// A row of the table over a fleet of TimedSnapshots.
struct TimedRow {
  std::string text;
  double memory_percent;  // tells when the snapshot was made
  absl::Duration age;     // as the AGE column has it
};

// The rows of a screen of `specula top` that show both numbers, with an age
// below 60 s. Rows of hosts that are down are not among them. Pure.
std::vector<TimedRow> TimedRows(const std::string& screen);

// How much older than its AGE says is the oldest of the rows at `now`. Negative
// if none is.
absl::Duration MostBeyondAge(const std::vector<TimedRow>& rows, absl::Time now);

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_TIMED_ROWS_H_
