#ifndef SPECULA_CTL_UI_PLAYER_H_
#define SPECULA_CTL_UI_PLAYER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ctl/ui/feed.h"
#include "ctl/ui/recording.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {

// The past of a fleet: plays a recording, from its begin on, at once. One that
// is still being made goes on when its end was reached. What is asked of hosts
// (the focus, the interval) is as it was recorded.
class Player final : public Feed {
 public:
  // `clock` is what time passes by; for tests.
  static absl::StatusOr<std::unique_ptr<Player>> Open(
      RecordingReader reader, std::function<absl::Time()> clock = absl::Now);

  News Take() override;
  int wake_fd() const override { return timer_.get(); }
  absl::Time Now() const override;
  void FocusOn(std::optional<size_t>, v1::ProcessOrder) override {}
  void SetInterval(absl::Duration) override {}
  void Refresh() override {}
  void Pause(bool paused) override;

  const RecordingHead& head() const { return reader_.head(); }
  // When the first and the last event came. Equal if there is at most one.
  absl::Time begin() const { return begin_; }
  absl::Time end() const { return end_; }

  bool paused() const { return paused_; }
  // How many seconds are played in one; from 0.1 to 1,000.
  double speed() const { return speed_; }
  void SetSpeed(double speed);
  // To another time, as far as there is one; goes on from there. The fleet is
  // anew what was known at that time.
  void SeekTo(absl::Time time);
  // Pauses, so many intervals of the recording later; earlier if negative.
  void Step(int intervals);

  // What is wrong with the recording from here on; OK if nothing is.
  const absl::Status& status() const { return status_; }

 private:
  Player(RecordingReader reader, std::function<absl::Time()> clock);
  // Time has passed until now: from here on it passes by what is set next.
  void Anchor(absl::Time position);
  // Looks for what has come since.
  void LookForMore();
  // Makes the block under the cursor readable. False: there is none.
  bool LoadBlock();
  void FindState(absl::Time time);
  void SetTimer();

  RecordingReader reader_;
  const std::function<absl::Time()> clock_;
  const UniqueFd timer_;
  absl::Time begin_ = absl::UnixEpoch();
  absl::Time end_ = absl::UnixEpoch();
  // The position of the play is `anchor_` at the clock's `anchored_at_`.
  absl::Time anchor_;
  absl::Time anchored_at_;
  double speed_ = 1;
  bool paused_ = false;
  bool anew_ = false;
  // What is read next.
  size_t block_ = 0;
  size_t event_ = 0;
  bool in_state_ = false;  // a state is being read, and not left out
  std::optional<size_t> loaded_;
  std::vector<FleetEvent> events_;  // of the block `loaded_`
  absl::Status status_;
};

// Reads a time for --at: RFC 3339 ("2026-02-03T04:05:06Z"), what ParseMoment
// takes ("14:03": the last such time before `end`), or "-10m" before `end`.
// INVALID_ARGUMENT says what it takes. Pure.
absl::StatusOr<absl::Time> ParseStartTime(absl::string_view text,
                                          absl::Time end, absl::TimeZone zone);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_PLAYER_H_
