#ifndef SPECULA_CTL_UI_LIVE_FEED_H_
#define SPECULA_CTL_UI_LIVE_FEED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "clients/cpp/channel.h"
#include "clients/cpp/credentials.h"
#include "ctl/ui/feed.h"

namespace specula::ctl {

// The fleet as it is now: a Watch stream for each host, on a channel of its
// own.
//
// No host waits for another. One without a stream (nothing listens, it hangs,
// it refuses, it ended the stream) is down for a reason and asked again, after
// 0.5 s at first and then ever later. One that falls silent is asked again
// without being called down. One that sends much more often than it was asked
// to, or snapshots beyond all measure, is cut off, which counts as down.
//
// Streams are begun as fast as hosts connect, but no more than a bound at a
// time, so that a thousand TLS handshakes leave room for keys. All that talks
// to gRPC runs on its threads; the methods only take and tell, and cost the
// screen's thread nothing.
class LiveFeed final : public Feed {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(2);
    // From the begin of a stream to its first snapshot, connecting included.
    absl::Duration answer_within = absl::Seconds(5);
    // Before a host is asked again: at first, and at most. It starts again from
    // the first after `good` of an unbroken stream.
    absl::Duration first_backoff = absl::Milliseconds(500);
    absl::Duration most_backoff = absl::Seconds(30);
    absl::Duration good = absl::Seconds(20);
    // A stream that has brought nothing for three intervals and this long is
    // begun anew.
    absl::Duration silence = absl::Seconds(5);
    // How many streams may be connecting at once. One that has not managed in
    // 0.3 s counts no longer: it hangs, and hanging costs nothing.
    size_t connecting = 256;
    // Each host is asked once: until a snapshot has rates, or the second one,
    // or it is down. Then it is settled: its stream is ended, and but for a few
    // hundred its connection too.
    bool once = false;
  };

  // The hosts in the order of the fleet.
  LiveFeed(const std::vector<Endpoint>& hosts, const Credentials& credentials,
           const Options& options);
  // Cancels the streams, and does not wait for their ends.
  ~LiveFeed() override;
  LiveFeed(const LiveFeed&) = delete;
  LiveFeed& operator=(const LiveFeed&) = delete;

  News Take() override;
  int wake_fd() const override;
  absl::Time Now() const override;
  void FocusOn(std::optional<size_t> host, v1::ProcessOrder order) override;
  void SetInterval(absl::Duration interval) override;
  void Refresh() override;
  void Pause(bool paused) override;

  // With Options::once: nothing further comes of any host.
  bool AllSettled();

  // How many processes the snapshots of the host in focus carry.
  static constexpr int kFocusedProcesses = 50;

 private:
  class Core;
  const std::shared_ptr<Core> core_;  // weakly the callbacks' too
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_LIVE_FEED_H_
