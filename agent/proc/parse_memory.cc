#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

struct Line {
  absl::string_view key;
  std::optional<int64_t> MemInfo::*field;
};
constexpr Line kLines[] = {
    {"MemTotal", &MemInfo::total},
    {"MemFree", &MemInfo::free},
    {"MemAvailable", &MemInfo::available},
    {"Buffers", &MemInfo::buffers},
    {"Cached", &MemInfo::cached},
    {"SwapCached", &MemInfo::swap_cached},
    {"SwapTotal", &MemInfo::swap_total},
    {"SwapFree", &MemInfo::swap_free},
    {"Dirty", &MemInfo::dirty},
    {"Shmem", &MemInfo::shared},
    {"SReclaimable", &MemInfo::reclaimable_slab},
    {"HugePages_Total", &MemInfo::hugepages_total},
    {"HugePages_Free", &MemInfo::hugepages_free},
    {"Hugepagesize", &MemInfo::hugepage_size},
};

// Whether the next field begins with a minus.
bool IsNegative(absl::string_view line) {
  const size_t start = line.find_first_not_of(" \t");
  return start != absl::string_view::npos && line[start] == '-';
}

}  // namespace

absl::StatusOr<MemInfo> ParseMemInfo(absl::string_view text) {
  MemInfo info;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    const absl::string_view key = TakeUntil(&line, ':');
    for (const Line& known : kLines) {
      if (key != known.key) continue;
      int64_t value = 0;
      if (IsNegative(line) || (info.*known.field).has_value() ||
          !TakeCount(&line, &value)) {
        break;
      }
      // Numbers of pages have no unit.
      if (TakeField(&line) == "kB" &&
          __builtin_mul_overflow(value, 1024, &value)) {
        value = std::numeric_limits<int64_t>::max();
      }
      info.*known.field = value;
      break;
    }
  }
  if (info.total.value_or(0) <= 0) {
    return absl::InvalidArgumentError("/proc/meminfo has no MemTotal above 0");
  }
  return info;
}

absl::StatusOr<ArcStats> ParseArcStats(absl::string_view text) {
  std::optional<int64_t> size, least;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    const absl::string_view name = TakeField(&line);
    std::optional<int64_t>* value = name == "size"    ? &size
                                    : name == "c_min" ? &least
                                                      : nullptr;
    int64_t count = 0;
    TakeField(&line);  // the type
    if (value == nullptr || value->has_value() || IsNegative(line) ||
        !TakeCount(&line, &count)) {
      continue;
    }
    *value = count;
  }
  if (!size.has_value() || !least.has_value()) {
    return absl::InvalidArgumentError(
        "/proc/spl/kstat/zfs/arcstats has no size and c_min");
  }
  return ArcStats{*size, *least};
}

std::optional<int64_t> ParseInactiveFile(absl::string_view text) {
  std::optional<int64_t> own, total;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    const absl::string_view name = TakeField(&line);
    // In v1 the plain name is without the groups below.
    std::optional<int64_t>* value = name == "inactive_file"         ? &own
                                    : name == "total_inactive_file" ? &total
                                                                    : nullptr;
    int64_t count = 0;
    if (value == nullptr || IsNegative(line) || !TakeCount(&line, &count))
      continue;
    *value = count;
  }
  return total.has_value() ? total : own;
}

}  // namespace specula::agent
