#include "ctl/top_replay.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ctl/commands/read.h"
#include "ctl/top_once.h"
#include "ctl/top_session.h"
#include "ctl/ui/filter.h"
#include "ctl/ui/player.h"
#include "ctl/ui/recording.h"
#include "lib/base/format.h"
#include "lib/base/host_port.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

std::string PlayWord(const Player& player) {
  if (!player.status().ok()) return std::string(player.status().message());
  if (player.paused()) return "stopped";
  return absl::StrCat("play x", player.speed());
}

void Steer(const Effect& effect, Player& player, TopState& state) {
  switch (effect.kind) {
    case Effect::Kind::kStep:
      player.Step(effect.amount);
      break;
    case Effect::Kind::kPlay:
      player.Pause(!player.paused());
      break;
    case Effect::Kind::kSpeed:
      player.SetSpeed(player.speed() * (effect.amount > 0 ? 2 : 0.5));
      break;
    case Effect::Kind::kSeek:
      player.SeekTo(effect.time);
      break;
    default:
      break;
  }
  state.replay = PlayWord(player);
}

// The hosts as those were who were asked: nothing is dialled.
std::vector<Target> TargetsOf(const std::vector<FleetHost>& hosts) {
  std::vector<Target> targets;
  targets.reserve(hosts.size());
  for (const FleetHost& host : hosts) {
    Target& target = targets.emplace_back();
    target.id = static_cast<int>(targets.size());
    absl::string_view name = host.name;
    if (const auto address = ParseHostPort(host.address, 0); address.ok()) {
      target.endpoint.address = *address;
      // A recorded name may have its port, which stands apart in a line.
      absl::ConsumeSuffix(&name, absl::StrCat(":", address->port));
    }
    target.name = std::string(name);
  }
  return targets;
}

int ShowOnce(const TopReplay& replay, Player& player, TopState& state) {
  state.Take(player.Take(), player.Now());
  state.Settle(player.Now());
  if (!player.status().ok()) {
    SayError(player.status().message());
  }
  return ShowTopOnce({.json = replay.json,
                      .ascii = replay.ascii,
                      .zone = absl::LocalTimeZone()},
                     TargetsOf(player.head().hosts), player.begin(),
                     player.Now(), state);
}

// Makes the player stand where it is to begin.
absl::Status GoToStart(const TopReplay& replay, Player& player) {
  absl::Time start = replay.once ? player.end() : player.begin();
  if (!replay.at.empty()) {
    const absl::StatusOr<absl::Time> at =
        ParseStartTime(replay.at, player.end(), absl::LocalTimeZone());
    if (!at.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--at: ", at.status().message()));
    }
    start = *at;
  }
  if (replay.once) player.Pause(true);
  player.SeekTo(start);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Player>> OpenPlayer(const TopReplay& replay) {
  ASSIGN_OR_RETURN(RecordingReader reader, RecordingReader::Open(replay.path));
  ASSIGN_OR_RETURN(std::unique_ptr<Player> player,
                   Player::Open(std::move(reader)));
  RETURN_IF_ERROR(GoToStart(replay, *player));
  return player;
}

}  // namespace

int RunTopReplay(const TopReplay& replay, Interrupt& interrupt) {
  absl::StatusOr<std::unique_ptr<Player>> opened = OpenPlayer(replay);
  if (!opened.ok()) return UsageError(opened.status());
  Player& player = **opened;
  TopState state(player.head().hosts, {.interval = player.head().interval,
                                       .no_actions = "this is the past",
                                       .replay = true});
  absl::StatusOr<Filter> filter = Filter::Parse(replay.filter, state.labels);
  if (!filter.ok()) return UsageError(filter.status());
  state.filter = *std::move(filter);
  state.SortBy(replay.sort, replay.descending, player.Now());
  if (replay.once) return ShowOnce(replay, player, state);
  state.replay = PlayWord(player);
  absl::StatusOr<std::unique_ptr<Screen>> screen =
      Screen::Open({.ascii = replay.ascii, .mouse = replay.mouse});
  if (!screen.ok()) return UsageError(screen.status());
  TopSession session;
  session.zone = absl::LocalTimeZone();
  session.replay = [&player](const Effect& effect, TopState& of) {
    Steer(effect, player, of);
  };
  return RunTopSession(session, **screen, player, state, interrupt);
}

}  // namespace specula::ctl
