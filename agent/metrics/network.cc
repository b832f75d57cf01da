#include "agent/metrics/network.h"

#include <algorithm>

#include "agent/metrics/to_proto.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

constexpr double kImpossibleBytesPerSecond = 100e9;

void FillInterface(const InterfaceCounters& before,
                   const InterfaceCounters& now, double seconds,
                   v1::NetworkInterface* row) {
  auto rate = [&](int64_t InterfaceCounters::*field) {
    return static_cast<double>(now.*field - before.*field) / seconds;
  };
  const double received = rate(&InterfaceCounters::received_bytes);
  const double transmitted = rate(&InterfaceCounters::transmitted_bytes);
  auto possible = [](double bytes) {
    return bytes >= 0 && bytes <= kImpossibleBytesPerSecond;
  };
  if (!possible(received) || !possible(transmitted)) {
    row->set_quality(v1::QUALITY_RESET);
    return;
  }
  row->set_quality(v1::QUALITY_OK);
  row->set_received_bytes_per_second(received);
  row->set_transmitted_bytes_per_second(transmitted);
  row->set_errors_per_second(
      std::max(0.0, rate(&InterfaceCounters::received_errors) +
                        rate(&InterfaceCounters::transmitted_errors)));
  row->set_dropped_per_second(
      std::max(0.0, rate(&InterfaceCounters::received_dropped) +
                        rate(&InterfaceCounters::transmitted_dropped)));
}

}  // namespace

void FillNetwork(const std::vector<InterfaceCounters>* previous,
                 const std::vector<InterfaceCounters>& current,
                 absl::Duration window, const std::vector<bool>& counted,
                 v1::Network* network) {
  std::vector<const InterfaceCounters*> shown;
  for (size_t i = 0; i < current.size(); ++i) {
    if (counted[i]) shown.push_back(&current[i]);
  }
  network->set_virtual_excluded_count(
      static_cast<int>(current.size() - shown.size()));
  if (shown.empty()) {
    network->set_quality(v1::QUALITY_UNAVAILABLE);
    return;
  }
  network->set_quality(v1::QUALITY_FIRST);
  const double seconds = absl::ToDoubleSeconds(window);
  double received = 0;
  double transmitted = 0;
  bool measured = false;
  for (const InterfaceCounters* now : shown) {
    v1::NetworkInterface* row = network->add_interfaces();
    row->set_name(ToUtf8(now->name));
    row->set_quality(v1::QUALITY_FIRST);
    if (previous == nullptr || seconds <= 0) continue;
    auto before = std::find_if(
        previous->begin(), previous->end(),
        [&](const InterfaceCounters& i) { return i.name == now->name; });
    if (before == previous->end()) continue;
    FillInterface(*before, *now, seconds, row);
    measured = measured || row->quality() == v1::QUALITY_OK;
    received += row->received_bytes_per_second();
    transmitted += row->transmitted_bytes_per_second();
  }
  if (previous == nullptr || seconds <= 0 || !measured) return;
  network->set_quality(v1::QUALITY_OK);
  network->set_received_bytes_per_second(received);
  network->set_transmitted_bytes_per_second(transmitted);
  *network->mutable_window() = ToProto(window);
}

}  // namespace specula::agent
