#include "ctl/ui/fleet_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Beside two missed snapshots: what a network and a busy host may take.
constexpr absl::Duration kStaleSlack = absl::Seconds(1);

void Count(const std::optional<double>& value, size_t host, size_t& count,
           FleetModel::Peak& peak) {
  if (!value.has_value()) return;
  ++count;
  peak.mean = peak.mean.value_or(0) + *value;
  if (!peak.most.has_value() || *value > *peak.most) {
    peak.most = value;
    peak.host = host;
  }
}

void Divide(size_t count, FleetModel::Peak& peak) {
  if (count > 0) *peak.mean /= static_cast<double>(count);
}

}  // namespace

absl::string_view HostStateName(HostState state) {
  switch (state) {
    case HostState::kWaiting:
      return "waiting";
    case HostState::kUp:
      return "up";
    case HostState::kStale:
      return "stale";
    case HostState::kDown:
      return "down";
  }
  return "";
}

FleetModel::FleetModel(std::vector<FleetHost> hosts, absl::Duration interval)
    : interval_(interval) {
  rows_.resize(hosts.size());
  for (size_t i = 0; i < hosts.size(); ++i) rows_[i].host = std::move(hosts[i]);
}

void FleetModel::Apply(FleetEvent event) {
  HostRow& row = rows_[event.host];
  if (event.sample == nullptr) {
    if (!row.down) {
      row.down_since = event.time;
      Log(event.time, absl::StrCat("DOWN ", row.host.name, "  ",
                                   OutcomeName(event.ending.outcome), ": ",
                                   event.ending.reason));
    }
    row.down = true;
    row.ending = std::move(event.ending);
    return;
  }
  if (event.time < row.received) return;
  const bool restarted = row.last != nullptr &&
                         !row.last->status().host().boot_id().empty() &&
                         row.last->status().host().boot_id() !=
                             event.sample->status().host().boot_id();
  if (restarted) {
    Log(event.time, absl::StrCat("RESTARTED ", row.host.name));
  } else if (row.down) {
    Log(event.time, absl::StrCat("UP ", row.host.name, "  after ",
                                 FormatElapsed(event.time - row.down_since)));
  }
  row.down = false;
  row.ending = {};
  row.received = event.time;
  row.last = std::move(event.sample);
  row.values = ValuesOf(row.last->status());
  if (row.values.cpu.has_value()) {
    row.cpu_trend.Add(event.time, interval_, *row.values.cpu);
  }
  if (row.values.memory.has_value()) {
    row.memory_trend.Add(event.time, interval_, *row.values.memory);
  }
}

HostState FleetModel::StateOf(const HostRow& row, absl::Time now) const {
  if (row.down) return HostState::kDown;
  if (row.last == nullptr) return HostState::kWaiting;
  return now - row.received > 2 * interval_ + kStaleSlack ? HostState::kStale
                                                          : HostState::kUp;
}

absl::Duration FleetModel::AgeOf(const HostRow& row, absl::Time now) {
  const absl::Time since = row.last != nullptr ? row.received : row.down_since;
  return since == absl::InfinitePast() ? absl::InfiniteDuration() : now - since;
}

FleetModel::Summary FleetModel::Summarise(absl::Time now) const {
  Summary summary;
  size_t cpus = 0;
  size_t memories = 0;
  size_t disks = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const HostRow& row = rows_[i];
    switch (StateOf(row, now)) {
      case HostState::kWaiting:
        ++summary.waiting;
        continue;
      case HostState::kStale:
        ++summary.stale;
        continue;
      case HostState::kDown:
        ++summary.down;
        continue;
      case HostState::kUp:
        ++summary.up;
    }
    Count(row.values.cpu, i, cpus, summary.cpu);
    Count(row.values.memory, i, memories, summary.memory);
    Count(row.values.disk, i, disks, summary.disk);
  }
  Divide(cpus, summary.cpu);
  Divide(memories, summary.memory);
  Divide(disks, summary.disk);
  return summary;
}

void FleetModel::Reset() {
  for (HostRow& row : rows_) {
    FleetHost host = std::move(row.host);
    row = HostRow();
    row.host = std::move(host);
  }
  log_.clear();
}

void FleetModel::Log(absl::Time time, std::string text) {
  log_.push_back({time, std::move(text)});
  if (log_.size() > kMostLog) log_.pop_front();
}

}  // namespace specula::ctl
