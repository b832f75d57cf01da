#include "agent/metrics/memory.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "agent/metrics/saturating.h"
#include "agent/proc/parse.h"

namespace specula::agent {

namespace {

int64_t Bytes(const std::optional<int64_t>& value) {
  return std::max<int64_t>(0, value.value_or(0));
}

// What can be had without swapping, if that can be told.
std::optional<int64_t> Available(const MemInfo& info, v1::Quality& quality) {
  const int64_t total = Bytes(info.total);
  auto possible = [total](const std::optional<int64_t>& bytes) {
    return bytes.has_value() && *bytes >= 0 && *bytes <= total;
  };
  quality = v1::QUALITY_OK;
  if (possible(info.available)) return info.available;
  quality = v1::QUALITY_CLAMPED;
  const int64_t estimate = SaturatingAdd(
      SaturatingAdd(Bytes(info.free), Bytes(info.buffers)),
      SaturatingAdd(Bytes(info.cached), Bytes(info.reclaimable_slab)));
  if (info.free.has_value() && possible(estimate)) return estimate;
  quality = v1::QUALITY_UNAVAILABLE;
  return std::nullopt;
}

}  // namespace

void FillMemory(const MemInfo& info, const std::optional<ArcStats>& arc,
                v1::Memory* memory) {
  const int64_t total = Bytes(info.total);
  v1::Quality quality;
  std::optional<int64_t> available = Available(info, quality);
  int64_t reclaimable = 0;
  if (available.has_value() && arc.has_value() && arc->size > arc->least) {
    reclaimable = arc->size - std::max<int64_t>(0, arc->least);
    if (reclaimable > total - *available) {
      reclaimable = 0;
      quality = v1::QUALITY_CLAMPED;
    }
    *available += reclaimable;
  }
  memory->set_quality(quality);
  if (available.has_value()) {
    memory->set_total_bytes(total);
    memory->set_available_bytes(*available);
    memory->set_used_bytes(total - *available);
    if (total > 0) {
      memory->set_utilization(static_cast<double>(total - *available) /
                              static_cast<double>(total));
    }
  }
  memory->set_free_bytes(Bytes(info.free));
  memory->set_cached_bytes(SaturatingAdd(
      SaturatingAdd(Bytes(info.cached), Bytes(info.reclaimable_slab)),
      reclaimable));
  memory->set_zfs_reclaimable_bytes(reclaimable);
  memory->set_buffers_bytes(Bytes(info.buffers));
  memory->set_shared_bytes(Bytes(info.shared));
  memory->set_dirty_bytes(Bytes(info.dirty));
  if (Bytes(info.swap_free) <= Bytes(info.swap_total)) {
    memory->set_swap_total_bytes(Bytes(info.swap_total));
    memory->set_swap_used_bytes(std::max<int64_t>(
        0, Bytes(info.swap_total) -
               SaturatingAdd(Bytes(info.swap_free), Bytes(info.swap_cached))));
  }
  if (Bytes(info.hugepages_free) <= Bytes(info.hugepages_total)) {
    memory->set_hugepages_total_count(Bytes(info.hugepages_total));
    memory->set_hugepages_free_count(Bytes(info.hugepages_free));
  }
  memory->set_hugepage_size_bytes(Bytes(info.hugepage_size));
}

std::optional<ArcStats> ReadArc(ProcRoot& root) {
  constexpr char kArcStats[] = "/proc/spl/kstat/zfs/arcstats";
  absl::StatusOr<std::string> text = root.ReadPinned(kArcStats);
  if (!text.ok()) return std::nullopt;
  struct stat arc, memory;
  if (stat(root.Path(kArcStats).c_str(), &arc) != 0 ||
      stat(root.Path("/proc/meminfo").c_str(), &memory) != 0 ||
      arc.st_dev != memory.st_dev) {
    return std::nullopt;
  }
  absl::StatusOr<ArcStats> stats = ParseArcStats(*text);
  return stats.ok() ? std::optional<ArcStats>(*stats) : std::nullopt;
}

}  // namespace specula::agent
