#ifndef SPECULA_CTL_UI_NEWEST_EVENTS_H_
#define SPECULA_CTL_UI_NEWEST_EVENTS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "ctl/ui/fleet_event.h"

namespace specula::ctl {

// Of each host the newest snapshot and the newest ending, however many came: a
// reader that is slow, or jumps, costs no memory and misses nothing of how the
// fleet is now. Pure.
class NewestEvents {
 public:
  // In the order of time, as far as one host goes.
  void Add(FleetEvent event);
  bool empty() const { return hosts_.empty(); }
  // Gives what there is, in the order of time, and forgets it.
  std::vector<FleetEvent> Take();

 private:
  struct Newest {
    std::optional<FleetEvent> sample, ending;
  };
  std::map<size_t, Newest> hosts_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_NEWEST_EVENTS_H_
