#include "agent/metrics/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "agent/metrics/to_proto.h"

namespace specula::agent {
namespace {

// As node_exporter: a core that went offline and came back has lost its past.
constexpr int64_t kIdleResetSeconds = 3;

std::optional<v1::CpuTimes> Shares(const CpuCounters& previous,
                                   const CpuCounters& current) {
  static const int64_t ticks_per_second = sysconf(_SC_CLK_TCK);
  if (previous.idle - current.idle >= kIdleResetSeconds * ticks_per_second) {
    return std::nullopt;
  }
  double total = 0;
  auto grown = [&](int64_t CpuCounters::*field) {
    const double difference =
        std::max(0.0, static_cast<double>(current.*field) -
                          static_cast<double>(previous.*field));
    total += difference;
    return difference;
  };
  v1::CpuTimes times;
  times.set_user(grown(&CpuCounters::user));
  times.set_nice(grown(&CpuCounters::nice));
  times.set_system(grown(&CpuCounters::system));
  times.set_idle(grown(&CpuCounters::idle));
  times.set_iowait(grown(&CpuCounters::iowait));
  times.set_irq(grown(&CpuCounters::irq));
  times.set_softirq(grown(&CpuCounters::softirq));
  times.set_steal(grown(&CpuCounters::steal));
  if (total <= 0) return std::nullopt;
  times.set_user(times.user() / total);
  times.set_nice(times.nice() / total);
  times.set_system(times.system() / total);
  times.set_idle(times.idle() / total);
  times.set_iowait(times.iowait() / total);
  times.set_irq(times.irq() / total);
  times.set_softirq(times.softirq() / total);
  times.set_steal(times.steal() / total);
  return times;
}

// Fills the part that v1::Cpu and v1::CpuCore have in common.
template <typename Message>
void FillShares(const CpuCounters* previous, const CpuCounters& current,
                Message* message) {
  if (previous == nullptr) {
    message->set_quality(v1::QUALITY_FIRST);
    return;
  }
  std::optional<v1::CpuTimes> times = Shares(*previous, current);
  if (!times.has_value()) {
    message->set_quality(v1::QUALITY_RESET);
    return;
  }
  message->set_quality(v1::QUALITY_OK);
  message->set_utilization(
      std::clamp(1 - times->idle() - times->iowait(), 0.0, 1.0));
  *message->mutable_times() = *times;
}

}  // namespace

void FillCpu(const CpuStat* previous, const CpuStat& current,
             absl::Duration window, v1::Cpu* cpu) {
  FillShares(previous == nullptr ? nullptr : &previous->total, current.total,
             cpu);
  if (cpu->quality() == v1::QUALITY_OK) {
    *cpu->mutable_window() = ToProto(window);
  }
  cpu->set_logical_count(static_cast<int>(current.cores.size()));
  for (const auto& [id, counters] : current.cores) {
    const CpuCounters* before = nullptr;
    if (previous != nullptr) {
      auto found = std::lower_bound(
          previous->cores.begin(), previous->cores.end(), id,
          [](const auto& core, int wanted) { return core.first < wanted; });
      if (found != previous->cores.end() && found->first == id) {
        before = &found->second;
      }
    }
    v1::CpuCore* core = cpu->add_cores();
    core->set_id(id);
    FillShares(before, counters, core);
  }
}

}  // namespace specula::agent
