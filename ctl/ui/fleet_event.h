#ifndef SPECULA_CTL_UI_FLEET_EVENT_H_
#define SPECULA_CTL_UI_FLEET_EVENT_H_

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "clients/cpp/outcome.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// Who a row of the table is.
struct FleetHost {
  std::string name;     // by which it is shown and called
  std::string address;  // where it is dialled
  std::map<std::string, std::string> labels = {};  // of the inventory
};

// What was heard of one host, or that nothing is: live from its Watch stream,
// or out of a recording.
struct FleetEvent {
  absl::Time time;  // when it came, by the controller's clock
  size_t host = 0;  // its place in the fleet
  // A snapshot; null: there is none, and `ending` says why.
  std::shared_ptr<const v1::WatchResponse> sample;
  Ending ending;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_FLEET_EVENT_H_
