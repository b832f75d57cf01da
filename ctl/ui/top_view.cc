#include "ctl/ui/top_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ctl/table.h"
#include "ctl/ui/host_view.h"
#include "ctl/ui/pages.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Below these the screen goes without a second line of sums, without the line
// of events, without the host's pane.
constexpr size_t kTwoHeaders = 8;
constexpr size_t kWithEvents = 16;
constexpr size_t kPaneWidth = 60;
constexpr size_t kLeastPane = 5;
constexpr size_t kLeastRows = 8;

char StateLetter(HostState state) {
  switch (state) {
    case HostState::kWaiting:
      return '.';
    case HostState::kUp:
      return ' ';
    case HostState::kStale:
      return '~';
    case HostState::kDown:
      return 'x';
  }
  return '?';
}

std::string ClockText(const TopState& state, absl::Time now,
                      absl::TimeZone zone) {
  return absl::FormatTime(
      state.options.replay ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", now, zone);
}

// How much room a line of `width` has beside what stands on its right.
size_t RoomBeside(const Line& right, size_t width) {
  return width <= right.width() + 2 ? width : width - right.width() - 2;
}

// `left` as far as there is room beside `right`.
Line Across(Line left, const Line& right, size_t width) {
  left.PadTo(RoomBeside(right, width));
  if (width <= right.width() + 2) return left;
  return std::move(left.Add("  ").Append(right));
}

// Who is there: up, stale, down; and the time.
Line SummaryLine(const ViewSettings& settings, absl::Time now,
                 const TopState& state, const FleetModel::Summary& summary) {
  Line left(settings.width < kPaneWidth ? "" : "specula top  ", Style::kTitle);
  const size_t all = state.model.rows().size();
  left.Add(
      absl::StrCat(all, all == 1 ? " host  " : " hosts  ", summary.up, " up"));
  if (summary.stale > 0) {
    left.Add("  ").Add(absl::StrCat(summary.stale, " stale"), Style::kWarning);
  }
  if (summary.down > 0) {
    left.Add("  ").Add(absl::StrCat(summary.down, " DOWN"), Style::kCritical);
  }
  if (summary.waiting > 0) {
    left.Add(absl::StrCat("  ", summary.waiting, " waiting"));
  }
  if (const size_t marked = state.CountMarked(); marked > 0) {
    left.Add("  ").Add(absl::StrCat(marked, " marked"), Style::kMarked);
  }
  if (state.paused) left.Add("  ").Add("PAUSED", Style::kWarning);
  if (!state.replay.empty()) left.Add("  ").Add(state.replay, Style::kTitle);
  if (!state.recording.empty()) {
    left.Add("  ").Add(state.recording,
                       state.recording_ill ? Style::kCritical : Style::kTitle);
  }
  // Who is down matters more than what time it is.
  if (settings.width < kPaneWidth) return left.PadTo(settings.width);
  return Across(std::move(left), Line(ClockText(state, now, settings.zone)),
                settings.width);
}

// "cpu avg 30 max 94 api-01": without the host, or not at all, where that would
// not be whole.
void AddPeak(absl::string_view what, const TopState& state,
             const FleetModel::Peak& peak, bool mean, size_t room, Line& line) {
  if (!peak.most.has_value()) return;
  Line part(absl::StrCat(line.width() == 0 ? "" : "  ", what));
  if (mean) part.Add(absl::StrFormat(" avg %.0f", *peak.mean * 100));
  part.Add(" max ");
  part.Add(absl::StrFormat("%.0f", *peak.most * 100),
           StyleOf(ColumnOf(ColumnId::kCpu), *peak.most * 100));
  if (line.width() + part.width() > room) return;
  const Line host(absl::StrCat(" ", state.model.rows()[peak.host].host.name));
  if (line.width() + part.width() + host.width() <= room) part.Append(host);
  line.Append(part);
}

// The hottest cells, and what is shown in which order.
Line PeaksLine(const ViewSettings& settings, const TopState& state,
               const FleetModel::Summary& summary) {
  Line right;
  if (!state.filter.empty()) {
    right.Add(CutToWidth(
                  absl::StrCat("filter: ", EscapeControls(state.filter.text())),
                  settings.width / 3),
              Style::kWarning);
    right.Add("  ");
  }
  if (!state.options.replay) {
    right.Add(absl::StrCat(absl::FormatDuration(state.options.interval), "  "));
  }
  right.Add(absl::StrCat("sort:", ColumnOf(state.order.column()).title,
                         state.order.descending() ? "-" : "+"));
  const size_t room = RoomBeside(right, settings.width);
  Line left;
  AddPeak("cpu", state, summary.cpu, true, room, left);
  AddPeak("mem", state, summary.memory, true, room, left);
  AddPeak("disk", state, summary.disk, false, room, left);
  return Across(std::move(left), right, settings.width);
}

ChosenColumns Choose(const ViewSettings& settings, const TopState& state) {
  size_t host_width = 0;
  for (const HostRow& row : state.model.rows()) {
    host_width =
        std::max(host_width, DisplayWidth(EscapeControls(row.host.name)));
  }
  ChosenColumns chosen =
      ChooseColumns(settings.width, host_width, state.hidden);
  if (state.wide) {
    chosen.host_width = std::clamp<size_t>(
        host_width, chosen.host_width,
        std::max<size_t>(settings.width / 2, chosen.host_width));
  }
  return chosen;
}

size_t WidthOf(const Column& column, const ChosenColumns& chosen) {
  return column.id == ColumnId::kHost ? chosen.host_width : column.width;
}

Line TitlesLine(const ViewSettings& settings, const TopState& state,
                const ChosenColumns& chosen, TopLayout& layout) {
  Line line(std::string(kMarkWidth, ' '), Style::kTitle);
  for (size_t i = 0; i < chosen.columns.size(); ++i) {
    const Column& column = *chosen.columns[i];
    if (i > 0) line.Add(" ", Style::kTitle);
    const size_t begin = line.width();
    line.AddCell(
        column.title, WidthOf(column, chosen), column.right,
        column.id == state.order.column() ? Style::kKey : Style::kTitle);
    layout.titles.push_back({begin, line.width(), column.id});
  }
  return line.PadTo(settings.width, Style::kTitle);
}

// Of a host that is not there only what does not come from it is shown.
bool KnownOf(const Column& column, HostState state) {
  return state == HostState::kUp || state == HostState::kStale ||
         column.id == ColumnId::kHost || column.id == ColumnId::kAge ||
         column.id == ColumnId::kAlert;
}

Line RowLine(const ViewSettings& settings, absl::Time now,
             const TopState& state, const ChosenColumns& chosen, size_t host) {
  const HostRow& row = state.model.rows()[host];
  const HostState host_state = state.model.StateOf(row, now);
  const bool here = state.cursor == host;
  const bool dim =
      host_state == HostState::kStale || host_state == HostState::kWaiting;
  const Style base = dim ? Style::kDim : Style::kPlain;
  Line line;
  line.Add(here ? ">" : " ");
  line.Add(state.marked[host] ? "*" : " ", Style::kMarked);
  line.Add(std::string(1, StateLetter(host_state)),
           host_state == HostState::kDown ? Style::kCritical : base);
  line.Add(" ");
  for (size_t i = 0; i < chosen.columns.size(); ++i) {
    const Column& column = *chosen.columns[i];
    if (i > 0) line.Add(" ");
    const size_t width = WidthOf(column, chosen);
    if (column.id == ColumnId::kTrend) {
      const bool drawn =
          host_state == HostState::kUp || host_state == HostState::kStale;
      line.AddCell(
          drawn ? Sparkline(row.cpu_trend.Last(
                                now, SparklineValues(width, settings.braille)),
                            settings.braille)
                : "",
          width, false, base);
      continue;
    }
    if (!KnownOf(column, host_state)) {
      line.AddCell(host_state == HostState::kDown ? "--" : "", width,
                   column.right, base);
      continue;
    }
    Style style = base;
    if (!dim && host_state == HostState::kUp) {
      style = StyleOf(column, column.number(row, now));
    }
    std::string text = column.text(row, now);
    if (column.id == ColumnId::kAlert && !dim) {
      style = text.empty() || text == "w" ? Style::kWarning : Style::kCritical;
    }
    if ((column.id == ColumnId::kDisk || column.id == ColumnId::kMount) &&
        !dim && !row.values.disk_read_only.empty()) {
      style = Style::kCritical;
    }
    if (column.id == ColumnId::kHost) {
      style = state.marked[host]               ? Style::kMarked
              : host_state == HostState::kDown ? Style::kCritical
                                               : base;
    }
    line.AddCell(text, width, column.right, style);
  }
  line.PadTo(settings.width);
  if (here) line.Restyle(Style::kSelected);
  return line;
}

struct KeyHint {
  absl::string_view key;
  absl::string_view what;
};

Line KeysLine(const TopState& state, size_t width) {
  std::vector<KeyHint> hints;
  switch (state.page) {
    case Page::kTable:
      hints = {{"h", "help"},  {"q", "quit"},   {"/", "filter"},
               {"<>", "sort"}, {"SPC", "mark"}, {"ENT", "host"}};
      break;
    case Page::kHost:
      hints = {{"h", "help"}, {"q", "quit"}, {"ESC", "back"}, {"<>", "order"}};
      break;
    case Page::kHelp:
      hints = {{"ESC", "back"}};
      break;
    case Page::kExplain:
      hints = {{"ESC", "back"}, {"left right", "other columns"}};
      break;
    case Page::kColumns:
      hints = {{"SPC", "show or hide"}, {"ESC", "back"}};
      break;
  }
  if (state.page == Page::kTable || state.page == Page::kHost) {
    if (state.CanAct()) {
      hints.insert(hints.end(),
                   {{"e", "exec"}, {"k", "signal"}, {"t", "tail"}});
    }
    if (state.options.replay) {
      hints.insert(
          hints.end(),
          {{"[]", "step"}, {"p", "play"}, {"g", "go to"}, {"+-", "speed"}});
    }
    hints.insert(hints.end(), {{"x", "explain"},
                               {"u", "pause"},
                               {"s", "ask now"},
                               {"I", "invert"},
                               {"*", "mark all"},
                               {"c", "columns"},
                               {"w", "wide"}});
    if (!state.options.replay) hints.push_back({"+-", "interval"});
  }
  Line line;
  for (const KeyHint& hint : hints) {
    const size_t needed =
        (line.width() == 0 ? 0 : 1) + hint.key.size() + 1 + hint.what.size();
    if (line.width() + needed > width) break;
    if (line.width() > 0) line.Add(" ");
    line.Add(hint.key, Style::kKey).Add(" ").Add(hint.what);
  }
  return line;
}

// The typed line; a label that leaves no room for it stands above.
Line PromptLine(const TopState& state, size_t width, Frame& frame) {
  const Prompt& prompt = state.prompt;
  const std::string label =
      DisplayWidth(EscapeControls(prompt.label)) > width / 2 ? "> "
                                                             : prompt.label;
  const std::string before =
      EscapeControls(absl::StrCat(label, prompt.text.substr(0, prompt.at)));
  std::string all =
      absl::StrCat(before, EscapeControls(prompt.text.substr(prompt.at)));
  size_t at = DisplayWidth(before);
  // The end of a long text is what is being worked on.
  if (at + 1 > width) {
    const size_t cut = at + 1 - width;
    const std::string gone = CutToWidth(all, cut);
    all.erase(0, gone.size());
    at -= DisplayWidth(gone);
  }
  frame.cursor_x = static_cast<int>(std::min(at, width > 0 ? width - 1 : 0));
  return Line(all, Style::kKey).PadTo(width, Style::kKey);
}

Line NoteLine(const ViewSettings& settings, const TopState& state) {
  if (!state.prompt.error.empty()) {
    return Line(state.prompt.error, Style::kCritical);
  }
  if (state.prompt.kind != Prompt::Kind::kNone &&
      DisplayWidth(EscapeControls(state.prompt.label)) > settings.width / 2) {
    return Line(state.prompt.label, Style::kTitle);
  }
  if (!state.message.empty()) return Line(state.message, Style::kWarning);
  if (state.model.log().empty()) return Line();
  const FleetModel::LogLine& newest = state.model.log().back();
  return Line(
      absl::StrCat(absl::FormatTime("%H:%M:%S ", newest.time, settings.zone),
                   newest.text),
      Style::kDim);
}

// The table, and what is left below it for the host.
void DrawTable(const ViewSettings& settings, absl::Time now, size_t height,
               TopState& state, TopScreen& screen) {
  std::vector<Line>& lines = screen.frame.lines;
  if (height == 0) return;
  const ChosenColumns chosen = Choose(settings, state);
  screen.layout.header_y = static_cast<int>(lines.size());
  lines.push_back(TitlesLine(settings, state, chosen, screen.layout));
  const size_t room = height - 1;
  size_t rows = std::min(std::max(kLeastRows, settings.height / 2 - 1),
                         std::max<size_t>(state.visible.size(), 1));
  if (settings.width < kPaneWidth || room < rows + kLeastPane) rows = room;
  state.table_rows = rows;
  if (const std::optional<size_t> at = state.CursorRow(); at.has_value()) {
    if (*at < state.top) state.top = *at;
    if (rows > 0 && *at >= state.top + rows) state.top = *at - rows + 1;
  }
  // No empty rows below while there are hosts above.
  const size_t most =
      state.visible.size() > rows ? state.visible.size() - rows : 0;
  state.top = std::min(state.top, most);
  screen.layout.rows_y = static_cast<int>(lines.size());
  screen.layout.first = state.top;
  screen.layout.rows = std::min(rows, state.visible.size() - state.top);
  for (size_t i = 0; i < screen.layout.rows; ++i) {
    const size_t host = state.visible[state.top + i];
    lines.push_back(RowLine(settings, now, state, chosen, host));
    screen.layout.ages_hold =
        std::min(screen.layout.ages_hold,
                 AgeHolds(FleetModel::AgeOf(state.model.rows()[host], now)));
  }
  if (state.visible.empty() && rows > 0) {
    lines.emplace_back("   no host fits the filter", Style::kDim);
  }
  if (rows == room) return;
  screen.layout.shows_processes = true;
  HostPane pane = DrawHost(settings, now, state, room - rows, false);
  for (Line& line : pane.lines) lines.push_back(std::move(line));
}

void DrawText(std::vector<Line> text, size_t height, size_t& scroll,
              TopScreen& screen) {
  scroll = std::min(scroll, text.size() > height ? text.size() - height : 0);
  for (size_t i = scroll; i < text.size() && i < scroll + height; ++i) {
    screen.frame.lines.push_back(std::move(text[i]));
  }
}

void DrawPage(const ViewSettings& settings, absl::Time now, size_t height,
              TopState& state, TopScreen& screen) {
  switch (state.page) {
    case Page::kTable:
      DrawTable(settings, now, height, state, screen);
      return;
    case Page::kHost: {
      const auto above = static_cast<int>(screen.frame.lines.size());
      screen.layout.shows_processes = true;
      HostPane pane = DrawHost(settings, now, state, height, true);
      if (pane.processes_y >= 0) {
        screen.layout.rows_y = above + pane.processes_y;
        screen.layout.rows = pane.processes;
        screen.layout.first = pane.first;
        state.process_rows = pane.processes;
      }
      for (Line& line : pane.lines) {
        screen.frame.lines.push_back(std::move(line));
      }
      return;
    }
    case Page::kHelp:
      DrawText(HelpPage(state), height, state.scroll, screen);
      return;
    case Page::kExplain:
      DrawText(ExplainPage(settings, now, state), height, state.scroll, screen);
      return;
    case Page::kColumns: {
      size_t scroll =
          state.column_row + 2 > height ? state.column_row + 2 - height : 0;
      DrawText(ColumnsPage(state), height, scroll, screen);
      return;
    }
  }
}

}  // namespace

TopScreen DrawTop(const ViewSettings& settings, absl::Time now,
                  TopState& state) {
  TopScreen screen;
  Frame& frame = screen.frame;
  frame.width = settings.width;
  if (settings.width == 0 || settings.height == 0) return screen;
  const FleetModel::Summary summary = state.model.Summarise(now);
  frame.lines.push_back(SummaryLine(settings, now, state, summary));
  if (settings.height >= kTwoHeaders && state.page == Page::kTable) {
    frame.lines.push_back(PeaksLine(settings, state, summary));
  }
  const bool speaks =
      !state.message.empty() || state.prompt.kind != Prompt::Kind::kNone;
  const size_t below = settings.height < 4                        ? 0
                       : settings.height >= kWithEvents || speaks ? 2
                                                                  : 1;
  const size_t above = frame.lines.size();
  DrawPage(settings, now,
           settings.height - std::min(settings.height, above + below), state,
           screen);
  frame.lines.resize(settings.height - below);
  if (below == 2) frame.lines.push_back(NoteLine(settings, state));
  if (below > 0) {
    if (state.prompt.kind == Prompt::Kind::kNone) {
      frame.lines.push_back(KeysLine(state, settings.width));
    } else {
      frame.cursor_y = static_cast<int>(frame.lines.size());
      frame.lines.push_back(PromptLine(state, settings.width, frame));
    }
  }
  for (Line& line : frame.lines) line.PadTo(settings.width);
  return screen;
}

std::vector<Line> DrawOnce(const ViewSettings& settings, absl::Time now,
                           const TopState& state) {
  const FleetModel::Summary summary = state.model.Summarise(now);
  std::vector<Line> lines;
  lines.push_back(SummaryLine(settings, now, state, summary));
  lines.push_back(PeaksLine(settings, state, summary));
  const ChosenColumns chosen = Choose(settings, state);
  TopLayout layout;
  lines.push_back(TitlesLine(settings, state, chosen, layout));
  TopState plain = state;
  plain.cursor.reset();
  for (const size_t host : state.visible) {
    lines.push_back(RowLine(settings, now, plain, chosen, host));
  }
  return lines;
}

}  // namespace specula::ctl
