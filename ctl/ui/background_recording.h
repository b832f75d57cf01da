#ifndef SPECULA_CTL_UI_BACKGROUND_RECORDING_H_
#define SPECULA_CTL_UI_BACKGROUND_RECORDING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "ctl/ui/fleet_event.h"
#include "ctl/ui/newest_events.h"
#include "ctl/ui/recording.h"

namespace specula::ctl {

// Writes a recording on a thread of its own: compressing and a slow disk hold
// up no key. What waits to be written is bounded. When the disk falls behind by
// more, of each host only the newest is kept until it has caught up: the
// recording becomes coarser, never wrong, and the report says so. Make it after
// whoever blocks signals. Add and report take no time; thread-safe.
class BackgroundRecording {
 public:
  struct Options {
    size_t most_waiting_bytes = 64 << 20;
  };

  BackgroundRecording(std::unique_ptr<RecordingWriter> writer,
                      const Options& options);
  // Writes what waits.
  ~BackgroundRecording();
  BackgroundRecording(const BackgroundRecording&) = delete;
  BackgroundRecording& operator=(const BackgroundRecording&) = delete;

  // Takes events over. They are on the disk within about a second.
  void Add(const std::vector<FleetEvent>& events);

  struct Report {
    uint64_t bytes = 0;   // of the file
    bool behind = false;  // the disk is too slow, just now
    absl::Status status;  // why nothing is recorded any more; OK while it is
  };
  Report report() const;

 private:
  void Run();

  const Options options_;
  std::unique_ptr<RecordingWriter> writer_;  // the thread's

  mutable absl::Mutex mutex_;
  std::vector<FleetEvent> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  NewestEvents newest_ ABSL_GUARDED_BY(mutex_);  // while it is behind
  Report report_ ABSL_GUARDED_BY(mutex_);
  bool over_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

// What the table says of a recording: "REC 12M", "REC 12M BEHIND", "REC ENDED".
std::string RecordingWord(const BackgroundRecording::Report& report);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_BACKGROUND_RECORDING_H_
