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
#include "ctl/top_replay.h"
#include "ctl/top_session.h"
#include "ctl/ui/background_recording.h"
#include "ctl/ui/live_feed.h"
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
  bool interval_said = false;
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

// What the table says of the recording that is made; its end at once.
void ShowRecording(const BackgroundRecording::Report& report, TopState& state) {
  const std::string word = RecordingWord(report);
  if (!report.status.ok() && word != state.recording) {
    state.message = std::string(report.status.message());
  }
  state.recording = word;
  state.recording_ill = report.behind || !report.status.ok();
}

int RunTop(const TopOptions& options, const CommandContext& context,
           Interrupt& interrupt) {
  const FleetOptions& fleet_options = context.options;
  absl::Status usable = CheckNoFleetForm(fleet_options, "top", options.once);
  if (!usable.ok()) return UsageError(usable);
  absl::StatusOr<absl::Duration> interval = ReadInterval(options.interval);
  if (!interval.ok()) return UsageError(interval.status());
  if (options.once && !options.interval_said) *interval = kLeastInterval;
  absl::StatusOr<Sort> sort = ReadSort(options.sort);
  if (!sort.ok()) return UsageError(sort.status());
  if (!options.replay.empty() && options.record.empty()) {
    return RunTopReplay({.path = options.replay,
                         .at = options.at,
                         .once = options.once,
                         .json = fleet_options.json,
                         .ascii = options.ascii,
                         .mouse = !options.no_mouse,
                         .filter = options.filter,
                         .sort = sort->column,
                         .descending = sort->descending},
                        interrupt);
  }
  if (!options.record.empty() && (options.once || !options.replay.empty())) {
    return UsageError(absl::InvalidArgumentError(
        "--record is neither for --once nor for --replay"));
  }
  if (!options.at.empty()) {
    return UsageError(absl::InvalidArgumentError("--at is for --replay FILE"));
  }
  absl::StatusOr<ClosedFleet> fleet = LoadFleet(fleet_options, options.hosts);
  if (!fleet.ok()) return UsageError(fleet.status());
  absl::StatusOr<std::vector<FleetHost>> hosts =
      HostsOf(fleet->targets, fleet_options);
  if (!hosts.ok()) return UsageError(hosts.status());
  std::unique_ptr<RecordingWriter> writer;
  if (!options.record.empty()) {
    absl::StatusOr<std::unique_ptr<RecordingWriter>> made =
        RecordingWriter::Create(options.record, {*interval, *hosts}, {});
    if (!made.ok()) return UsageError(made.status());
    writer = *std::move(made);
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
  if (options.once) {
    LiveFeed& feed = *new LiveFeed(  // to the process's end, as KeepToTheEnd
        endpoints, fleet->credentials,
        {.interval = *interval, .answer_within = answer_within, .once = true});
    return RunTopOnce({.json = fleet_options.json,
                       .ascii = options.ascii,
                       .zone = absl::LocalTimeZone()},
                      fleet->targets, feed, state, interrupt);
  }
  LiveFeed feed(endpoints, fleet->credentials,
                {.interval = *interval, .answer_within = answer_within});
  TopSession session;
  session.zone = absl::LocalTimeZone();
  session.act = [&](const Action& action, Interrupt& action_interrupt) {
    RunTopAction(*fleet, action, fleet_options, action_interrupt);
  };
  std::unique_ptr<BackgroundRecording> recording;
  if (writer != nullptr) {
    recording = std::make_unique<BackgroundRecording>(
        std::move(writer), BackgroundRecording::Options());
    session.record = [&](const Feed::News& news) {
      recording->Add(news.events);
      ShowRecording(recording->report(), state);
    };
  }
  const int code = RunTopSession(session, *screen, feed, state, interrupt);
  screen.reset();  // what follows is for the plain terminal
  if (recording != nullptr && !recording->report().status.ok()) {
    UsageError(recording->report().status);
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
  CLI::Option* const interval =
      command
          ->add_option("--interval", options->interval,
                       "From one snapshot of a host to the next: 200ms to 1h; "
                       "with --once 200ms, unless said")
          ->capture_default_str();
  command->add_option("--filter", options->filter,
                      "Which rows: cpu>80 and rack=a, state=down, not web*");
  command
      ->add_option("--sort", options->sort,
                   "A column by its name in filters; -NAME: the other way")
      ->capture_default_str();
  command->add_flag("--once", options->once,
                    "Print the table once and end, with --json a line for each "
                    "host; needs no terminal; of a recording too");
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
                      "before its end; with --once its end, unless said");
  command->footer(
      "h in the table shows the keys. NO_COLOR is heeded.\n"
      "Exit code: 0 after q; 130 by SIGTERM; --once: 255 if some host is not "
      "up.\n\n"
      "Examples: specula top 'web[01-20]' --filter 'cpu>80 or alert=!*'\n"
      "          specula top @db --sort mem --interval 1s");
  command->callback([&context, options, interval] {
    context.run = [&context, options, interval](Interrupt& interrupt) {
      options->interval_said = interval->count() > 0;
      return RunTop(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
