#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

// The counters behind "cpuN". Kernels before 2.6 give only the first four.
bool ParseCounters(absl::string_view line, CpuCounters* counters) {
  int64_t* const fields[] = {
      &counters->user,   &counters->nice, &counters->system,  &counters->idle,
      &counters->iowait, &counters->irq,  &counters->softirq, &counters->steal};
  constexpr size_t kNeeded = 4;
  size_t count = 0;
  for (int64_t* field : fields) {
    if (!TakeCount(&line, field)) break;
    ++count;
  }
  // A break at something other than the end is a line that is not understood.
  return count == std::size(fields) ||
         (count >= kNeeded && TakeField(&line).empty());
}

// The number of a CPU, which unlike a counter is not cut to fit. What follows
// it is the caller's matter.
bool TakeCpuNumber(absl::string_view* text, int64_t* number) {
  const absl::string_view digits =
      text->substr(0, text->find_first_not_of("0123456789"));
  text->remove_prefix(digits.size());
  return ParseCount(digits, number) &&
         *number < std::numeric_limits<int>::max();
}

void SortEachOnce(std::vector<std::pair<int, CpuCounters>>* cores) {
  const auto by_number = [](const auto& a, const auto& b) {
    return a.first < b.first;
  };
  const auto same_number = [](const auto& a, const auto& b) {
    return a.first == b.first;
  };
  // Stable, so that of a number that is given twice the first line stays.
  if (!std::is_sorted(cores->begin(), cores->end(), by_number)) {
    std::stable_sort(cores->begin(), cores->end(), by_number);
  }
  cores->erase(std::unique(cores->begin(), cores->end(), same_number),
               cores->end());
}

}  // namespace

absl::StatusOr<CpuStat> ParseCpuStat(absl::string_view text) {
  CpuStat stat;
  bool has_total = false;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    if (absl::StartsWith(line, "cpu")) {
      absl::string_view suffix = TakeField(&line).substr(3);
      const bool is_total = suffix.empty();
      int64_t number = 0;
      CpuCounters counters;
      if (!is_total && (!TakeCpuNumber(&suffix, &number) || !suffix.empty())) {
        continue;
      }
      if (!ParseCounters(line, &counters)) continue;
      if (!is_total) {
        stat.cores.emplace_back(static_cast<int>(number), counters);
      } else if (!has_total) {
        stat.total = counters;
        has_total = true;
      }
    } else if (absl::StartsWith(line, "btime ")) {
      line.remove_prefix(6);
      int64_t seconds = 0;
      if (TakeCount(&line, &seconds)) stat.boot_time_seconds = seconds;
    }
  }
  if (!has_total && stat.cores.empty()) {
    return absl::InvalidArgumentError("/proc/stat has no line for a CPU");
  }
  SortEachOnce(&stat.cores);
  return stat;
}

std::string ParseCpuModel(absl::string_view text) {
  absl::string_view hardware, implementer, part, line;
  while (TakeLine(&text, &line)) {
    const absl::string_view key =
        absl::StripAsciiWhitespace(TakeUntil(&line, ':'));
    const absl::string_view value = absl::StripAsciiWhitespace(line);
    if (value.empty()) continue;
    if (key == "model name") return std::string(value);
    if (key == "Hardware" && hardware.empty()) hardware = value;
    if (key == "CPU implementer" && implementer.empty()) implementer = value;
    if (key == "CPU part" && part.empty()) part = value;
  }
  if (!hardware.empty()) return std::string(hardware);
  if (implementer.empty() || part.empty()) return "";
  return absl::StrCat("CPU implementer ", implementer, " part ", part);
}

absl::StatusOr<int> CountCpuList(absl::string_view text) {
  const absl::Status odd = absl::InvalidArgumentError("not a list of CPUs");
  text = absl::StripTrailingAsciiWhitespace(text);
  // With each range above the one before it no CPU is counted twice, and the
  // count is at most the greatest number plus one.
  int64_t previous = -1;
  int64_t count = 0;
  while (true) {
    int64_t first = 0;
    if (!TakeCpuNumber(&text, &first)) return odd;
    int64_t last = first;
    if (absl::ConsumePrefix(&text, "-") && !TakeCpuNumber(&text, &last)) {
      return odd;
    }
    if (first <= previous || last < first) return odd;
    count += last - first + 1;
    previous = last;
    if (text.empty()) return static_cast<int>(count);
    if (!absl::ConsumePrefix(&text, ",")) return odd;
  }
}

}  // namespace specula::agent
