#include "tests/e2e/timed_rows.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/fleet_simulator.h"

namespace specula::testing {
namespace {

// One byte for each character, so that places are columns.
std::string Columns(absl::string_view line) {
  std::string columns;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      columns += c;
    } else if (byte >= 0xc0) {
      columns += '?';
    }
  }
  return columns;
}

// What stands in the column of numbers that ends before `end`.
absl::string_view CellBefore(absl::string_view line, size_t end) {
  line = line.substr(0, end);
  const size_t space = line.rfind(' ');
  return space == absl::string_view::npos ? line : line.substr(space + 1);
}

}  // namespace

std::vector<TimedRow> TimedRows(const std::string& screen) {
  const std::string kMemory = " MEM%";
  const std::string kAge = " AGE";
  std::vector<TimedRow> rows;
  size_t memory_end = 0;
  size_t age_end = 0;
  for (const absl::string_view line : absl::StrSplit(screen, '\n')) {
    const std::string columns = Columns(line);
    if (absl::StartsWith(columns, "    HOST ")) {
      memory_end = columns.find(kMemory) + kMemory.size();
      age_end = columns.find(kAge) + kAge.size();
      continue;
    }
    if (memory_end == 0 || columns.size() < age_end) continue;
    TimedRow row = {std::string(line), 0, {}};
    absl::string_view age = CellBefore(columns, age_end);
    int seconds = 0;
    if (!absl::ConsumeSuffix(&age, "s") || !absl::SimpleAtoi(age, &seconds) ||
        !absl::SimpleAtod(CellBefore(columns, memory_end),
                          &row.memory_percent)) {
      continue;
    }
    row.age = absl::Seconds(seconds);
    if (row.age < absl::Minutes(1)) rows.push_back(std::move(row));
  }
  return rows;
}

absl::Duration MostBeyondAge(const std::vector<TimedRow>& rows,
                             absl::Time now) {
  absl::Duration most = -absl::InfiniteDuration();
  for (const TimedRow& row : rows) {
    most = std::max(most, AgeOfTimed(row.memory_percent, now) - row.age);
  }
  return most;
}

}  // namespace specula::testing
