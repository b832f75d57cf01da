#ifndef SPECULA_CTL_UI_FLEET_MODEL_H_
#define SPECULA_CTL_UI_FLEET_MODEL_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/fleet_event.h"
#include "ctl/ui/host_values.h"
#include "ctl/ui/trend.h"

namespace specula::ctl {

enum class HostState {
  kWaiting,  // not heard of yet
  kUp,
  kStale,  // its stream stands, but the newest snapshot is overdue
  kDown,   // there is no stream; the reason is known
};

// "waiting", "up", "stale", "down".
absl::string_view HostStateName(HostState state);

// All that is known of one host.
struct HostRow {
  FleetHost host;
  // The newest snapshot and what was read from it; null before the first. It
  // stays when the host goes down, and whoever shows it says how old it is.
  std::shared_ptr<const v1::WatchResponse> last;
  absl::Time received = absl::InfinitePast();
  HostValues values;
  Trend cpu_trend;
  Trend memory_trend;
  bool down = false;
  Ending ending;  // why it is down
  absl::Time down_since = absl::InfinitePast();
};

// What the fleet is known to be like: events in, rows out. It knows no screen,
// no cursor and no network. Pure; one thread.
class FleetModel {
 public:
  FleetModel(std::vector<FleetHost> hosts, absl::Duration interval);

  // Takes what was heard. A snapshot that is older than the one that is there
  // is left out.
  void Apply(FleetEvent event);

  // How often snapshots are to come; decides what is stale.
  void set_interval(absl::Duration interval) { interval_ = interval; }
  absl::Duration interval() const { return interval_; }

  // In the order of the fleet; as long as the model lives.
  const std::vector<HostRow>& rows() const { return rows_; }

  HostState StateOf(const HostRow& row, absl::Time now) const;

  // How old the newest snapshot is; infinite without one. Of a host that is
  // down and was never up: since when.
  static absl::Duration AgeOf(const HostRow& row, absl::Time now);

  // What happened to hosts: went down, came up, were restarted. Newest last, at
  // most kMostLog.
  struct LogLine {
    absl::Time time;
    std::string text;
  };
  static constexpr size_t kMostLog = 500;
  const std::deque<LogLine>& log() const { return log_; }

  // The whole fleet in a few numbers. Means and maxima are over hosts that are
  // up.
  struct Peak {
    std::optional<double> mean, most;
    size_t host = 0;  // that has the most
  };
  struct Summary {
    size_t up = 0, stale = 0, down = 0, waiting = 0;
    Peak cpu, memory, disk;
  };
  Summary Summarise(absl::Time now) const;

  // Forgets all that was heard, as before a jump within a recording.
  void Reset();

 private:
  void Log(absl::Time time, std::string text);

  std::vector<HostRow> rows_;
  absl::Duration interval_;
  std::deque<LogLine> log_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_FLEET_MODEL_H_
