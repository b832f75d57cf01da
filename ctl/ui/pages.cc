#include "ctl/ui/pages.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ctl/from_proto.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

struct HelpLine {
  absl::string_view keys;
  absl::string_view text;
};

constexpr HelpLine kMoving[] = {
    {"arrows PgUp PgDn", "move; so do j, Home, End and the mouse (k signals)"},
    {"Enter  Esc", "the host in full; back (lets go marks and filter too)"},
    {"Space  *", "mark the host; all that are shown"},
    {"/", "filter: cpu>80 and rack=a, state=down, not web*, ( or )"},
    {"< >  I", "sort by the column beside (or click it); the other way"},
    {"c  w", "which columns are shown; names of hosts in full"},
    {"x", "what a number is, where it comes from, the raw answer"},
    {"s  u  + -", "ask all hosts now; pause; the interval"},
    {"Ctrl-L  Ctrl-Z  q", "draw anew; to the shell; quit"},
};
constexpr HelpLine kActing[] = {
    {"e", "run a command on the marked hosts, or the selected one"},
    {"t", "follow a file of theirs"},
    {"k", "signal processes by name, or that one in the host view"},
};
constexpr HelpLine kReplaying[] = {
    {"[ ]  p", "a snapshot back or on; play or stop"},
    {"+ -  g", "play faster or slower; go to a time"},
};

void AddHelp(absl::Span<const HelpLine> help, std::vector<Line>& lines) {
  for (const HelpLine& one : help) {
    Line line("  ");
    line.AddCell(one.keys, 19, false, Style::kKey).Add(" ").Add(one.text);
    lines.push_back(std::move(line));
  }
}

// The words of `text` in lines of at most `width`.
void AddWrapped(absl::string_view text, size_t width,
                std::vector<Line>& lines) {
  std::string line;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.emplace_back(line);
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  lines.emplace_back(line);
}

std::string QualityText(v1::Quality quality) {
  switch (quality) {
    case v1::QUALITY_OK:
      return "measured";
    case v1::QUALITY_FIRST:
      return "no data yet: a rate needs two samples";
    case v1::QUALITY_RESET:
      return "no rate: a counter ran backwards";
    case v1::QUALITY_CLAMPED:
      return "estimated: the kernel's value cannot be";
    case v1::QUALITY_STALLED:
      return "a source did not answer in time";
    case v1::QUALITY_UNAVAILABLE:
      return "not available on this host";
    default:
      return "not said";
  }
}

// What a column was read from.
struct Source {
  std::string raw;
  std::optional<v1::Quality> quality;
  std::optional<absl::Duration> window;
};

template <typename Group>
Source Measured(const Group& group) {
  Source source;
  source.quality = group.quality();
  if constexpr (requires { group.window(); }) {
    if (group.has_window()) source.window = FromProto(group.window());
  }
  return source;
}

Source SourceOf(ColumnId column, const v1::StatusResponse& status) {
  Source source;
  switch (column) {
    case ColumnId::kCpu:
    case ColumnId::kTrend:
    case ColumnId::kUser:
    case ColumnId::kSystem:
    case ColumnId::kIoWait:
    case ColumnId::kSteal: {
      source = Measured(status.cpu());
      v1::Cpu cpu = status.cpu();
      cpu.clear_cores();
      source.raw = cpu.DebugString();
      break;
    }
    case ColumnId::kLoad:
      source.raw = absl::StrCat(status.load().DebugString(),
                                "cpus: ", status.cpu().logical_count());
      break;
    case ColumnId::kMemory:
    case ColumnId::kUsed:
    case ColumnId::kSwap:
      source = Measured(status.memory());
      source.raw = status.memory().DebugString();
      break;
    case ColumnId::kDisk:
    case ColumnId::kMount:
    case ColumnId::kRead:
    case ColumnId::kWrite:
      source = Measured(status.disk());
      source.raw = status.disk().DebugString();
      break;
    case ColumnId::kPressure:
      source.raw =
          absl::StrCat("cpu:\n", status.cpu_pressure().DebugString(),
                       "memory:\n", status.memory_pressure().DebugString(),
                       "io:\n", status.io_pressure().DebugString());
      break;
    case ColumnId::kTemperature:
      for (const v1::Temperature& one : status.temperatures()) {
        absl::StrAppend(&source.raw, one.DebugString());
      }
      break;
    case ColumnId::kReceive:
    case ColumnId::kTransmit:
      source = Measured(status.network());
      source.raw = status.network().DebugString();
      break;
    case ColumnId::kHost:
    case ColumnId::kUptime:
    case ColumnId::kKernel:
      source.raw = status.host().DebugString();
      break;
    case ColumnId::kAge:
    case ColumnId::kAlert:
      break;
  }
  return source;
}

}  // namespace

std::vector<Line> HelpPage(const TopState& state) {
  std::vector<Line> lines;
  lines.emplace_back("KEYS", Style::kTitle);
  AddHelp(kMoving, lines);
  if (state.CanAct()) {
    AddHelp(kActing, lines);
  } else {
    lines.emplace_back(
        absl::StrCat("  No e, t and k here: ", state.options.no_actions),
        Style::kDim);
  }
  if (state.options.replay) AddHelp(kReplaying, lines);
  lines.emplace_back("ROWS", Style::kTitle);
  lines.emplace_back(
      "  > cursor  * marked  ~ stale (numbers are AGE old)  x down  . never "
      "heard of");
  lines.emplace_back(
      "  AL: !C CPU !M memory !F file system !P pressure from 90 %, w 70 %, !D "
      "down");
  lines.emplace_back(
      "  CPU% and MEM% of a host: of the machine; CPU% of a process: of one "
      "core");
  lines.emplace_back(
      "  - not measured   -- not known, as the host is down   94~ estimated");
  return lines;
}

std::vector<Line> ExplainPage(const ViewSettings& settings, absl::Time now,
                              const TopState& state) {
  std::vector<Line> lines;
  const Column& column = ColumnOf(state.explained);
  if (!state.cursor.has_value()) return lines;
  const HostRow& row = state.model.rows()[*state.cursor];
  const bool heard = row.last != nullptr && !row.down;
  lines.emplace_back(absl::StrCat(column.title, " of ", row.host.name, ": ",
                                  heard ? column.text(row, now) : "--"),
                     Style::kTitle);
  lines.emplace_back("");
  AddWrapped(column.explanation, settings.width > 2 ? settings.width - 2 : 1,
             lines);
  if (!column.field.empty()) {
    lines.emplace_back(absl::StrCat("In a filter: ", column.field));
  }
  lines.emplace_back("");
  if (!heard) {
    lines.emplace_back(row.down ? absl::StrCat("The host is down: ",
                                               OutcomeName(row.ending.outcome),
                                               ": ", row.ending.reason)
                                : "Nothing was heard of the host yet.",
                       Style::kCritical);
    return lines;
  }
  lines.emplace_back(absl::StrCat(
      "Came at ", absl::FormatTime("%H:%M:%E3S", row.received, settings.zone),
      ", ",
      FormatElapsed(absl::Ceil(FleetModel::AgeOf(row, now), absl::Seconds(1))),
      " ago (", HostStateName(state.model.StateOf(row, now)), ")"));
  const Source source = SourceOf(column.id, row.last->status());
  if (source.quality.has_value()) {
    lines.emplace_back(absl::StrCat("Quality: ", QualityText(*source.quality)));
  }
  if (source.window.has_value()) {
    lines.emplace_back(absl::StrCat(
        "Measured over ", absl::FormatDuration(absl::Trunc(
                              *source.window, absl::Milliseconds(1)))));
  }
  if (!source.raw.empty()) {
    lines.emplace_back("");
    lines.emplace_back("What the agent sent:", Style::kTitle);
    for (const absl::string_view raw :
         absl::StrSplit(source.raw, '\n', absl::SkipEmpty())) {
      lines.emplace_back(absl::StrCat("  ", raw));
    }
  }
  return lines;
}

std::vector<Line> ColumnsPage(const TopState& state) {
  std::vector<Line> lines;
  lines.emplace_back(
      "COLUMNS  (Space shows or hides; those that fit are shown)",
      Style::kTitle);
  for (size_t i = 0; i < AllColumns().size(); ++i) {
    const Column& column = AllColumns()[i];
    Line line(i == state.column_row ? "> " : "  ");
    line.Add(state.hidden.count(column.id) == 0 ? "[x] " : "[ ] ");
    line.AddCell(column.title, 12).Add(column.explanation, Style::kDim);
    if (i == state.column_row) line.Restyle(Style::kSelected);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace specula::ctl
