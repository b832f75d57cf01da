#include "ctl/ui/newest_events.h"

#include <algorithm>
#include <utility>

namespace specula::ctl {

void NewestEvents::Add(FleetEvent event) {
  Newest& host = hosts_[event.host];
  (event.sample != nullptr ? host.sample : host.ending) = std::move(event);
}

std::vector<FleetEvent> NewestEvents::Take() {
  std::vector<FleetEvent> events;
  for (auto& [host, newest] : hosts_) {
    if (newest.sample.has_value()) events.push_back(*std::move(newest.sample));
    if (newest.ending.has_value()) events.push_back(*std::move(newest.ending));
  }
  hosts_.clear();
  std::stable_sort(
      events.begin(), events.end(),
      [](const FleetEvent& a, const FleetEvent& b) { return a.time < b.time; });
  return events;
}

}  // namespace specula::ctl
