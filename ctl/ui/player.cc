#include "ctl/ui/player.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/ui/keys.h"
#include "ctl/ui/newest_events.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// How often the end of a recording is looked at for more.
constexpr absl::Duration kLookEvery = absl::Seconds(1);
// A timer of 0 would never fire.
constexpr absl::Duration kAtOnce = absl::Nanoseconds(1);

bool IsState(BlockKind kind) {
  return kind == BlockKind::kState || kind == BlockKind::kStateMore;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Player>> Player::Open(
    RecordingReader reader, std::function<absl::Time()> clock) {
  std::unique_ptr<Player> player(
      new Player(std::move(reader), std::move(clock)));
  player->LookForMore();
  player->SeekTo(player->begin_);
  return player;
}

Player::Player(RecordingReader reader, std::function<absl::Time()> clock)
    : reader_(std::move(reader)),
      clock_(std::move(clock)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      anchored_at_(clock_()) {}

absl::Time Player::Now() const {
  const absl::Time position =
      paused_ ? anchor_ : anchor_ + speed_ * (clock_() - anchored_at_);
  return std::clamp(position, begin_, end_);
}

void Player::Anchor(absl::Time position) {
  anchor_ = std::clamp(position, begin_, end_);
  anchored_at_ = clock_();
}

void Player::Pause(bool paused) {
  Anchor(Now());
  paused_ = paused;
  SetTimer();
}

void Player::SetSpeed(double speed) {
  Anchor(Now());
  speed_ = std::clamp(speed, 0.1, 1000.0);
  SetTimer();
}

void Player::Step(int intervals) {
  paused_ = true;
  const absl::Time now = Now();
  const absl::Time to = now + intervals * reader_.head().interval;
  if (to < now) {
    SeekTo(to);
  } else {
    Anchor(to);
    SetTimer();
  }
}

void Player::SeekTo(absl::Time time) {
  Anchor(time);
  FindState(anchor_);
  anew_ = true;
  SetTimer();
}

// To the last state that was whole by then; without one, to the beginning.
void Player::FindState(absl::Time time) {
  const std::vector<RecordingReader::Block>& blocks = reader_.blocks();
  size_t found = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].kind == BlockKind::kEvents && blocks[i].first > time) break;
    if (blocks[i].kind != BlockKind::kState) continue;
    // What is in it happened before; it may be used if all of it did.
    bool before = blocks[i].last <= time;
    for (size_t more = i + 1;
         more < blocks.size() && blocks[more].kind == BlockKind::kStateMore;
         ++more) {
      before = before && blocks[more].last <= time;
    }
    if (before) found = i;
  }
  block_ = found;
  event_ = 0;
  in_state_ = found < blocks.size() && IsState(blocks[found].kind);
}

void Player::LookForMore() {
  if (absl::Status status = reader_.Refresh(); !status.ok()) status_ = status;
  const std::vector<RecordingReader::Block>& blocks = reader_.blocks();
  bool first = true;
  for (const RecordingReader::Block& block : blocks) {
    if (block.kind != BlockKind::kEvents) continue;
    begin_ = first ? block.first : std::min(begin_, block.first);
    end_ = first ? block.last : std::max(end_, block.last);
    first = false;
  }
}

bool Player::LoadBlock() {
  while (block_ < reader_.blocks().size()) {
    const RecordingReader::Block& block = reader_.blocks()[block_];
    const bool state = IsState(block.kind);
    if (!state) in_state_ = false;
    if (state && !in_state_) {  // repeats what is known already
      ++block_;
      continue;
    }
    if (loaded_ != block_) {
      absl::StatusOr<std::vector<FleetEvent>> events = reader_.Read(block);
      if (!events.ok()) {
        status_ = events.status();
        ++block_;
        continue;
      }
      events_ = *std::move(events);
      loaded_ = block_;
      std::stable_sort(events_.begin(), events_.end(),
                       [](const FleetEvent& a, const FleetEvent& b) {
                         return a.time < b.time;
                       });
    }
    if (event_ < events_.size()) return true;
    ++block_;
    event_ = 0;
  }
  return false;
}

Feed::News Player::Take() {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t got = read(timer_.get(), &count, sizeof count);
  if (Now() >= end_ && !paused_) {
    // Nobody has waited for what was not there: time stands at the end.
    Anchor(end_);
    LookForMore();
  }
  const absl::Time now = Now();
  News news;
  news.anew = std::exchange(anew_, false);
  NewestEvents newest;
  while (LoadBlock() && events_[event_].time <= now) {
    newest.Add(events_[event_++]);
  }
  news.events = newest.Take();
  SetTimer();
  return news;
}

void Player::SetTimer() {
  absl::Duration wait = absl::InfiniteDuration();
  if (anew_) {
    wait = kAtOnce;
  } else if (LoadBlock()) {
    const absl::Time next = events_[event_].time;
    if (next <= Now()) {
      wait = kAtOnce;
    } else if (!paused_) {
      wait = (next - Now()) / speed_;
    }
  } else if (!paused_) {
    wait = kLookEvery;
  }
  itimerspec timer = {};
  if (wait != absl::InfiniteDuration()) {
    timer.it_value = absl::ToTimespec(
        std::clamp(wait, kAtOnce, absl::Duration(absl::Hours(1))));
  }
  timerfd_settime(timer_.get(), 0, &timer, nullptr);
}

absl::StatusOr<absl::Time> ParseStartTime(absl::string_view text,
                                          absl::Time end, absl::TimeZone zone) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  absl::Duration ago;
  if (!text.empty() && text.front() == '-' &&
      absl::ParseDuration(text.substr(1), &ago) &&
      ago >= absl::ZeroDuration() && ago != absl::InfiniteDuration()) {
    return end - ago;
  }
  const absl::StatusOr<absl::Time> moment = ParseMoment(text, end, zone);
  if (moment.ok()) {
    const bool dated = text.find('-') != absl::string_view::npos;
    return *moment > end && !dated ? *moment - absl::Hours(24) : *moment;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", EscapeControls(text),
      "' is no time: 2026-02-03T04:05:06Z, 14:03, 14:03:30, or -10m before "
      "the end"));
}

}  // namespace specula::ctl
