#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/top_actions.h"
#include "ctl/top_once.h"
#include "ctl/top_session.h"
#include "ctl/ui/live_feed.h"
#include "ctl/ui/player.h"
#include "ctl/ui/recording.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr absl::Duration kLeastInterval = absl::Milliseconds(200);
constexpr absl::Duration kMostInterval = absl::Hours(1);

struct TopOptions {
  std::string hosts;
  std::string interval = "2s";
  std::string filter;
  std::string sort = "cpu";
  bool once = false;
  bool ascii = false;
  bool readonly = false;
  bool no_mouse = false;
  std::string record;
  std::string replay;
  std::string at;
};

absl::StatusOr<absl::Duration> ReadInterval(const std::string& text) {
  absl::Duration interval;
  if (!absl::ParseDuration(text, &interval) || interval < kLeastInterval ||
      interval > kMostInterval) {
    return absl::InvalidArgumentError(
        absl::StrCat("--interval: '", EscapeControls(text),
                     "' is no time from 200ms to 1h, such as 2s"));
  }
  return interval;
}

// A column by the name that filters have for it; "-" in front turns the order
// around.
struct Sort {
  ColumnId column = ColumnId::kCpu;
  bool descending = true;
};
absl::StatusOr<Sort> ReadSort(absl::string_view text) {
  const bool inverted = !text.empty() && text.front() == '-';
  if (inverted) text.remove_prefix(1);
  std::vector<absl::string_view> names = {"host"};
  Sort sort = {ColumnId::kHost, RowOrder::DescendsByDefault(ColumnId::kHost)};
  bool found = text == "host";
  for (const Column& column : AllColumns()) {
    if (column.field.empty() || !IsSortable(column.id)) continue;
    names.push_back(column.field);
    if (column.field != text) continue;
    found = true;
    sort = {column.id, RowOrder::DescendsByDefault(column.id)};
  }
  if (!found) {
    return absl::InvalidArgumentError(
        absl::StrCat("--sort: there is no column '", EscapeControls(text),
                     "'; there are ", absl::StrJoin(names, " ")));
  }
  if (inverted) sort.descending = !sort.descending;
  return sort;
}

// Why nothing can be done to hosts; empty if it can.
std::string NoActions(const TopOptions& options, const Credentials& own) {
  if (options.readonly) return "started with --readonly";
  const Role role = own.identity.role;
  if (role == Role::kOperator || role == Role::kAdmin) return "";
  return absl::StrCat("the role of your certificate is ", RoleName(role),
                      ", which may look only");
}

// The rows, with what the inventory says of them; groups are a label of theirs.
absl::StatusOr<std::vector<FleetHost>> HostsOf(
    const std::vector<Target>& targets, const FleetOptions& options) {
  ASSIGN_OR_RETURN(Inventory inventory, LoadInventory(options));
  std::map<std::string, std::map<std::string, std::string>> labels;
  for (InventoryHost& host : inventory.hosts) {
    labels[host.name] = std::move(host.labels);
  }
  for (const auto& [group, members] : inventory.catalog.groups) {
    // A label makes a group as well; it need not be said twice.
    if (group.find('=') != std::string::npos) continue;
    for (const std::string& member : members) {
      std::string& groups = labels[member]["group"];
      absl::StrAppend(&groups, groups.empty() ? "" : ",", group);
    }
  }
  std::vector<FleetHost> hosts;
  hosts.reserve(targets.size());
  for (const Target& target : targets) {
    hosts.push_back({HostLabel(target), FormatHostPort(target.endpoint.address),
                     labels[target.name]});
  }
  return hosts;
}

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

// The table over a recording: no host is asked, and nothing can be done to one.
int RunReplay(const TopOptions& options, const Sort& sort,
              Interrupt& interrupt) {
  if (options.once || !options.record.empty()) {
    return UsageError(absl::InvalidArgumentError(
        "--replay is neither for --once nor for --record"));
  }
  absl::StatusOr<RecordingReader> reader =
      RecordingReader::Open(options.replay);
  if (!reader.ok()) return UsageError(reader.status());
  absl::StatusOr<std::unique_ptr<Player>> player =
      Player::Open(*std::move(reader));
  if (!player.ok()) return UsageError(player.status());
  if (!options.at.empty()) {
    absl::StatusOr<absl::Time> at =
        ParseStartTime(options.at, (*player)->end(), absl::LocalTimeZone());
    if (!at.ok()) {
      return UsageError(absl::InvalidArgumentError(
          absl::StrCat("--at: ", at.status().message())));
    }
    (*player)->SeekTo(*at);
  }
  TopState::Options shown;
  shown.interval = (*player)->head().interval;
  shown.no_actions = "this is the past";
  shown.replay = true;
  TopState state((*player)->head().hosts, shown);
  absl::StatusOr<Filter> filter = Filter::Parse(options.filter, state.labels);
  if (!filter.ok()) return UsageError(filter.status());
  state.filter = *std::move(filter);
  state.SortBy(sort.column, sort.descending, (*player)->Now());
  state.replay = PlayWord(**player);
  absl::StatusOr<std::unique_ptr<Screen>> screen =
      Screen::Open({.ascii = options.ascii, .mouse = !options.no_mouse});
  if (!screen.ok()) return UsageError(screen.status());
  TopSession session;
  session.zone = absl::LocalTimeZone();
  session.replay = [&player](const Effect& effect, TopState& of) {
    Steer(effect, **player, of);
  };
  return RunTopSession(session, **screen, **player, state, interrupt);
}

int RunTop(const TopOptions& options, const CommandContext& context,
           Interrupt& interrupt) {
  const FleetOptions& fleet_options = context.options;
  absl::Status usable = CheckNoFleetForm(fleet_options, "top", options.once);
  if (!usable.ok()) return UsageError(usable);
  absl::StatusOr<absl::Duration> interval = ReadInterval(options.interval);
  if (!interval.ok()) return UsageError(interval.status());
  absl::StatusOr<Sort> sort = ReadSort(options.sort);
  if (!sort.ok()) return UsageError(sort.status());
  if (!options.replay.empty()) return RunReplay(options, *sort, interrupt);
  if (!options.at.empty() || (options.once && !options.record.empty())) {
    return UsageError(absl::InvalidArgumentError(
        "--at is for --replay FILE, and --record not for --once"));
  }
  absl::StatusOr<ClosedFleet> fleet = LoadFleet(fleet_options, options.hosts);
  if (!fleet.ok()) return UsageError(fleet.status());
  absl::StatusOr<std::vector<FleetHost>> hosts =
      HostsOf(fleet->targets, fleet_options);
  if (!hosts.ok()) return UsageError(hosts.status());
  std::unique_ptr<RecordingWriter> recording;
  if (!options.record.empty()) {
    absl::StatusOr<std::unique_ptr<RecordingWriter>> made =
        RecordingWriter::Create(options.record, {*interval, *hosts}, {});
    if (!made.ok()) return UsageError(made.status());
    recording = *std::move(made);
  }
  TopState state(*std::move(hosts),
                 {.interval = *interval,
                  .no_actions = NoActions(options, fleet->credentials)});
  absl::StatusOr<Filter> filter = Filter::Parse(options.filter, state.labels);
  if (!filter.ok()) return UsageError(filter.status());
  state.filter = *std::move(filter);
  state.SortBy(sort->column, sort->descending, SteadyNow());

  // Before there are threads: it takes signals.
  std::unique_ptr<Screen> screen;
  if (!options.once) {
    absl::StatusOr<std::unique_ptr<Screen>> opened =
        Screen::Open({.ascii = options.ascii, .mouse = !options.no_mouse});
    if (!opened.ok()) return UsageError(opened.status());
    screen = *std::move(opened);
  }
  std::vector<Endpoint> endpoints;
  for (const Target& target : fleet->targets) {
    endpoints.push_back(target.endpoint);
  }
  const absl::Duration answer_within =
      absl::Seconds(fleet_options.timeout_seconds);
  LiveFeed feed(endpoints, fleet->credentials,
                {.interval = *interval, .answer_within = answer_within});
  if (options.once) {
    return RunTopOnce({.within = answer_within,
                       .json = fleet_options.json,
                       .ascii = options.ascii,
                       .zone = absl::LocalTimeZone()},
                      fleet->targets, feed, state, interrupt);
  }
  TopSession session;
  session.zone = absl::LocalTimeZone();
  session.act = [&](const Action& action, Interrupt& action_interrupt) {
    RunTopAction(*fleet, action, fleet_options, action_interrupt);
  };
  if (recording != nullptr) {
    session.record = [&](const Feed::News& news) {
      recording->Add(news.events, feed.Now());
    };
  }
  const int code = RunTopSession(session, *screen, feed, state, interrupt);
  screen.reset();  // what follows is for the plain terminal
  if (recording != nullptr && !recording->status().ok()) {
    UsageError(recording->status());
    return code == kExitOk ? kExitFailed : code;
  }
  return code;
}

}  // namespace

void AddTopCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("top", "The fleet as a live table: top [HOSTS]");
  auto options = std::make_shared<TopOptions>();
  command->add_option("HOSTS", options->hosts, "Whom, instead of --hosts");
  command
      ->add_option("--interval", options->interval,
                   "From one snapshot of a host to the next: 200ms to 1h")
      ->capture_default_str();
  command->add_option("--filter", options->filter,
                      "Which rows: cpu>80 and rack=a, state=down, not web*");
  command
      ->add_option("--sort", options->sort,
                   "A column by its name in filters; -NAME: the other way")
      ->capture_default_str();
  command->add_flag("--once", options->once,
                    "Print the table once and end, with --json a line for each "
                    "host; needs no terminal");
  command->add_flag("--ascii", options->ascii, "Draw with ASCII only");
  command->add_flag("--readonly", options->readonly,
                    "No exec, tail or signal from the table");
  command->add_flag("--no-mouse", options->no_mouse,
                    "Leave the mouse to the terminal");
  command->add_option("--record", options->record,
                      "Keep what is heard in a new file, up to 1 GiB");
  command->add_option("--replay", options->replay,
                      "Show a recording: p plays or stops, [ ] step, = - "
                      "speed, g goes to a time");
  command->add_option("--at", options->at,
                      "Begin a replay at 14:03, 2026-02-03T04:05:06Z, or -10m "
                      "before its end");
  command->footer(
      "h in the table shows the keys. NO_COLOR is heeded.\n"
      "Exit code: 0 after q; 130 by SIGTERM; --once: 255 if some host is not "
      "up.\n\n"
      "Examples: specula top 'web[01-20]' --filter 'cpu>80 or alert=!*'\n"
      "          specula top @db --sort mem --interval 1s");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      return RunTop(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
