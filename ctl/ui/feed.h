#ifndef SPECULA_CTL_UI_FEED_H_
#define SPECULA_CTL_UI_FEED_H_

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/fleet_event.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// Where the live table's events come from: the hosts' Watch streams, or a
// recording. All methods are for one thread, the screen's, and none blocks.
class Feed {
 public:
  // What has come since the last Take.
  struct News {
    // What was heard before is void, as after a jump within a recording.
    bool anew = false;
    // In the order of time; of each host at most its newest snapshot and its
    // newest ending, so that a slow screen costs no memory.
    std::vector<FleetEvent> events;
  };

  virtual ~Feed() = default;

  virtual News Take() = 0;

  // For poll(2): readable while there is something to take. As long as the
  // feed.
  virtual int wake_fd() const = 0;

  // The time that ages are counted to: the clock's, or the recording's.
  virtual absl::Time Now() const = 0;

  // The host whose snapshots are to carry its processes, and how those are
  // ranked; nobody's: nullopt.
  virtual void FocusOn(std::optional<size_t> host, v1::ProcessOrder order) = 0;

  // From one snapshot of a host to the next.
  virtual void SetInterval(absl::Duration interval) = 0;

  // Asks every host at once, those too that are down.
  virtual void Refresh() = 0;

  // While paused nothing is asked and nothing comes.
  virtual void Pause(bool paused) = 0;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_FEED_H_
