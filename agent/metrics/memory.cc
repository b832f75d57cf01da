#include "agent/metrics/memory.h"

#include <algorithm>

#include "agent/metrics/saturating.h"

namespace specula::agent {

void FillMemory(const MemInfo& info, v1::Memory* memory) {
  const int64_t total = std::max<int64_t>(0, info.total.value_or(0));
  auto bytes = [](const std::optional<int64_t>& value) {
    return std::max<int64_t>(0, value.value_or(0));
  };
  const int64_t cached =
      SaturatingAdd(bytes(info.cached), bytes(info.reclaimable_slab));
  const int64_t available = info.available.value_or(SaturatingAdd(
      SaturatingAdd(bytes(info.free), bytes(info.buffers)), cached));
  const int64_t clamped = std::clamp<int64_t>(available, 0, total);
  const bool sound = info.available.has_value() && clamped == available;
  memory->set_quality(sound ? v1::QUALITY_OK : v1::QUALITY_CLAMPED);
  memory->set_total_bytes(total);
  memory->set_available_bytes(clamped);
  memory->set_used_bytes(total - clamped);
  if (total > 0) {
    memory->set_utilization(static_cast<double>(total - clamped) /
                            static_cast<double>(total));
  }
  memory->set_free_bytes(bytes(info.free));
  memory->set_cached_bytes(cached);
  memory->set_buffers_bytes(bytes(info.buffers));
  memory->set_shared_bytes(bytes(info.shared));
  memory->set_dirty_bytes(bytes(info.dirty));
  memory->set_swap_total_bytes(bytes(info.swap_total));
  memory->set_swap_used_bytes(std::max<int64_t>(
      0, bytes(info.swap_total) -
             SaturatingAdd(bytes(info.swap_free), bytes(info.swap_cached))));
  memory->set_hugepages_total_count(bytes(info.hugepages_total));
  memory->set_hugepages_free_count(bytes(info.hugepages_free));
  memory->set_hugepage_size_bytes(bytes(info.hugepage_size));
}

}  // namespace specula::agent
