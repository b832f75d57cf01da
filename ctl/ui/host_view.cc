#include "ctl/ui/host_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ctl/from_proto.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// From here on processes stand beside the rest.
constexpr size_t kTwoPanes = 140;
constexpr size_t kTwoPanesHeight = 12;
constexpr size_t kMostFilesystems = 6;
constexpr size_t kMostInterfaces = 4;
constexpr size_t kMostProblems = 3;

std::string Percent(double fraction) {
  return IsFraction(fraction) ? absl::StrFormat("%.1f", fraction * 100) : "-";
}

std::string Percent(const std::optional<double>& fraction) {
  return fraction.has_value() ? Percent(*fraction) : "-";
}

std::string Bytes(int64_t bytes) {
  return ShortBytes(static_cast<double>(bytes));
}

std::string Rate(const std::optional<double>& rate) {
  return rate.has_value() ? ShortBytes(*rate) : "-";
}

Style StyleOfFraction(const std::optional<double>& fraction) {
  return fraction.has_value()
             ? StyleOf(ColumnOf(ColumnId::kCpu), *fraction * 100)
             : Style::kPlain;
}

// "-- api-01  10.0.0.11:60120  Debian 12 …", a rule across the screen.
Line TitleLine(const HostRow& row, absl::Time now, size_t width) {
  Line line("-- ", Style::kTitle);
  line.Add(row.host.name, Style::kTitle);
  if (row.host.address != row.host.name) {
    line.Add(absl::StrCat("  ", row.host.address), Style::kTitle);
  }
  if (row.last != nullptr && !row.down) {
    const v1::StatusResponse& status = row.last->status();
    line.Add(absl::StrCat("  ", status.host().os(), "  ",
                          status.host().kernel(), "  ", row.values.cores, "c/",
                          Bytes(row.values.memory_total_bytes)),
             Style::kTitle);
    if (row.values.uptime.has_value()) {
      line.Add(absl::StrCat("  up ", FormatElapsed(*row.values.uptime)),
               Style::kTitle);
    }
    line.Add(absl::StrCat("  agent ", status.agent().version()), Style::kTitle);
    if (status.agent().has_cpu_utilization()) {
      line.Add(absl::StrFormat("  %.1f%%cpu",
                               status.agent().cpu_utilization() * 100),
               Style::kTitle);
    }
    line.Add(absl::StrCat("  age ",
                          FormatElapsed(absl::Ceil(FleetModel::AgeOf(row, now),
                                                   absl::Seconds(1)))),
             Style::kTitle);
  }
  line.Add(" ", Style::kTitle);
  if (line.width() < width) {
    line.Add(std::string(width - line.width(), '-'), Style::kTitle);
  }
  return line;
}

Line CpuLine(const HostRow& row) {
  const v1::CpuTimes& times = row.last->status().cpu().times();
  Line line("cpu ");
  line.Add(Percent(row.values.cpu), StyleOfFraction(row.values.cpu));
  if (row.last->status().cpu().has_times()) {
    line.Add(absl::StrCat(
        "  usr ", Percent(times.user()), " sys ", Percent(times.system()),
        " nice ", Percent(times.nice()), " iow ", Percent(times.iowait()),
        " irq ", Percent(times.irq() + times.softirq()), " stl ",
        Percent(times.steal()), " idl ", Percent(times.idle())));
  } else {
    line.Add("  (not measured yet)", Style::kDim);
  }
  const v1::StatusResponse& status = row.last->status();
  if (status.has_load()) {
    line.Add(absl::StrFormat("  load %.2f", status.load().one_minute()));
  }
  return line;
}

Line MemoryLine(const HostRow& row) {
  const v1::Memory& memory = row.last->status().memory();
  Line line("mem ");
  line.Add(absl::StrCat(Percent(row.values.memory),
                        row.values.memory_estimated ? "~" : ""),
           StyleOfFraction(row.values.memory));
  line.Add(absl::StrCat("  ", Bytes(memory.used_bytes()), "/",
                        Bytes(memory.total_bytes()), "  avail ",
                        Bytes(memory.available_bytes()), "  cached ",
                        Bytes(memory.cached_bytes())));
  if (memory.swap_total_bytes() > 0) {
    line.Add(absl::StrCat("  swap ", Bytes(memory.swap_used_bytes()), "/",
                          Bytes(memory.swap_total_bytes())));
  }
  line.Add("  psi c");
  line.Add(absl::StrCat(Percent(row.values.cpu_pressure), " m",
                        Percent(row.values.memory_pressure), " i",
                        Percent(row.values.io_pressure)));
  return line;
}

// What the agent may use itself, where it is in a container.
bool HasGroup(const HostRow& row) {
  const v1::CgroupLimits& group = row.last->status().cgroup();
  return group.has_cpu_count() || group.has_memory_limit_bytes();
}

Line GroupLine(const HostRow& row) {
  const v1::CgroupLimits& group = row.last->status().cgroup();
  Line line("grp  the agent's own:");
  if (group.has_cpu_count()) {
    line.Add(absl::StrFormat(" %g cpus", group.cpu_count()));
  }
  if (group.has_memory_limit_bytes()) {
    line.Add(absl::StrCat(
        " mem ",
        group.has_memory_used_bytes() ? Bytes(group.memory_used_bytes()) : "--",
        "/", Bytes(group.memory_limit_bytes())));
  }
  return line;
}

Line TrafficLine(const HostRow& row) {
  const v1::StatusResponse& status = row.last->status();
  std::optional<double> busiest;
  for (const v1::BlockDevice& device : status.disk().devices()) {
    if (device.quality() == v1::QUALITY_OK &&
        IsFraction(device.utilization())) {
      busiest = std::max(busiest.value_or(0), device.utilization());
    }
  }
  Line line(absl::StrCat(
      "io r ", Rate(row.values.read_rate), " w ", Rate(row.values.write_rate),
      " busy ", Percent(busiest), "   net rx ", Rate(row.values.receive_rate),
      " tx ", Rate(row.values.transmit_rate)));
  if (row.values.temperature.has_value()) {
    line.Add(absl::StrFormat("   temp %.0fC", *row.values.temperature));
  }
  if (status.has_load()) {
    line.Add(absl::StrCat("   run ", status.load().runnable_count(), " of ",
                          status.load().task_count(), " tasks"));
  }
  return line;
}

Line WorstDiskLine(const HostRow& row) {
  const v1::Disk& disk = row.last->status().disk();
  Line line("dsk ");
  for (const v1::Filesystem& one : disk.filesystems()) {
    if (one.mount_point() != row.values.disk_mount || !row.values.disk) {
      continue;
    }
    line.Add(one.mount_point());
    line.Add(absl::StrCat(" ", Percent(row.values.disk)),
             StyleOfFraction(row.values.disk));
    line.Add(absl::StrCat("  ", Bytes(one.used_bytes()), "/",
                          Bytes(one.total_bytes())));
    break;
  }
  if (!row.values.disk_read_only.empty()) {
    line.Add(absl::StrCat("  READ-ONLY ", row.values.disk_read_only),
             Style::kCritical);
  }
  if (row.values.disk_stalled) {
    line.Add("  one does not answer", Style::kWarning);
  }
  line.Add(absl::StrCat("  worst of ", disk.filesystems_size(), ", ",
                        disk.excluded_mount_count(), " mounts not counted"),
           Style::kDim);
  return line;
}

void AddDisks(const HostRow& row, size_t most, std::vector<Line>& lines) {
  if (most < 2) return;
  const v1::Disk& disk = row.last->status().disk();
  lines.push_back(
      Line()
          .AddCell("FILE SYSTEM", 24, false, Style::kTitle)
          .Add("  TYPE     USE%   USED   SIZE  INO%", Style::kTitle));
  std::vector<const v1::Filesystem*> worst;
  for (const v1::Filesystem& one : disk.filesystems()) worst.push_back(&one);
  std::stable_sort(worst.begin(), worst.end(),
                   [](const v1::Filesystem* a, const v1::Filesystem* b) {
                     if (a->turned_read_only() != b->turned_read_only()) {
                       return a->turned_read_only();
                     }
                     return a->utilization() > b->utilization();
                   });
  if (worst.size() > most - 1) worst.resize(most - 1);
  for (const v1::Filesystem* one : worst) {
    Line line;
    line.AddCell(one->mount_point(), 24).Add("  ");
    line.AddCell(one->type(), 7);
    std::optional<double> used;
    if (one->has_utilization()) used = one->utilization();
    if (one->quality() == v1::QUALITY_STALLED) {
      line.Add("  does not answer", Style::kWarning);
    } else {
      line.AddCell(Percent(used), 6, true, StyleOfFraction(FillOf(*one)));
      line.AddCell(Bytes(one->used_bytes()), 7, true);
      line.AddCell(Bytes(one->total_bytes()), 7, true);
      line.AddCell(
          one->inodes_total_count() > 0
              ? absl::StrFormat(
                    "%.0f", 100.0 *
                                static_cast<double>(one->inodes_used_count()) /
                                static_cast<double>(one->inodes_total_count()))
              : "-",
          6, true);
      if (one->turned_read_only()) {
        line.Add("  READ-ONLY", Style::kCritical);
      } else if (one->read_only()) {
        line.Add("  read-only", Style::kDim);
      }
    }
    lines.push_back(std::move(line));
  }
}

void AddInterfaces(const HostRow& row, size_t most, std::vector<Line>& lines) {
  if (most < 2) return;
  const v1::Network& network = row.last->status().network();
  lines.push_back(Line()
                      .AddCell("INTERFACE", 24, false, Style::kTitle)
                      .Add("     RX/s   TX/s  ERR/s  DROP/s", Style::kTitle));
  size_t shown = 0;
  for (const v1::NetworkInterface& one : network.interfaces()) {
    if (++shown > most - 1) break;
    Line line;
    line.AddCell(one.name(), 24).Add("  ");
    if (one.quality() == v1::QUALITY_OK) {
      line.AddCell(ShortBytes(one.received_bytes_per_second()), 7, true);
      line.AddCell(ShortBytes(one.transmitted_bytes_per_second()), 7, true);
      line.AddCell(absl::StrFormat("%.0f", one.errors_per_second()), 7, true);
      line.AddCell(absl::StrFormat("%.0f", one.dropped_per_second()), 8, true);
    } else {
      line.Add("  not measured yet", Style::kDim);
    }
    lines.push_back(std::move(line));
  }
}

void AddGraph(const ViewSettings& settings, absl::Time now, const HostRow& row,
              size_t width, size_t height, std::vector<Line>& lines) {
  if (height < 3 || width < 20) return;
  const size_t inner = std::min<size_t>(width - 6, 60);
  const std::vector<std::string> graph =
      Graph(row.cpu_trend.Last(now, SparklineValues(inner, settings.braille)),
            height - 1, settings.braille);
  lines.emplace_back("CPU% of the last snapshots", Style::kTitle);
  for (size_t i = 0; i < graph.size(); ++i) {
    const size_t of = std::max<size_t>(graph.size() - 1, 1);
    Line line(absl::StrFormat("%3d| ", static_cast<int>(100 - 100 * i / of)),
              Style::kDim);
    line.Add(graph[i]);
    lines.push_back(std::move(line));
  }
}

std::string CpuTimeText(const v1::Process& process) {
  const int64_t seconds =
      std::max<int64_t>(absl::ToInt64Seconds(FromProto(process.cpu_time())), 0);
  return seconds < 3600
             ? absl::StrFormat("%d:%02d", seconds / 60, seconds % 60)
             : absl::StrFormat("%dh%02d", seconds / 3600, seconds / 60 % 60);
}

Line ProcessLine(const v1::Process& process, int64_t memory_bytes,
                 size_t width) {
  Line line;
  line.AddCell(absl::StrCat(process.pid()), 8, true).Add(" ");
  line.AddCell(process.user(), 9).Add(" ");
  line.AddCell(process.has_cpu_utilization()
                   ? absl::StrFormat("%.1f", process.cpu_utilization() * 100)
                   : "-",
               6, true);
  line.AddCell(
      memory_bytes > 0
          ? absl::StrFormat(
                "%.1f", 100.0 * static_cast<double>(process.resident_bytes()) /
                            static_cast<double>(memory_bytes))
          : "-",
      6, true);
  line.AddCell(Bytes(process.resident_bytes()), 6, true).Add(" ");
  line.AddCell(process.state(), 1);
  line.AddCell(absl::StrCat(process.thread_count()), 5, true);
  line.AddCell(CpuTimeText(process), 8, true).Add("  ");
  line.Add(process.command_line().empty() ? process.name()
                                          : process.command_line());
  return line.PadTo(width);
}

// Title, and processes up to `height` lines in all.
void AddProcesses(const TopState& state, size_t width, size_t height, bool page,
                  HostPane& pane, std::vector<Line>& lines) {
  if (height < 2) return;
  const v1::ProcessesResponse* all = state.Processes();
  Line title("     PID USER        CPU%  MEM%   RSS S  THR    TIME  COMMAND",
             Style::kTitle);
  if (all != nullptr) {
    title.Add(absl::StrCat(
                  "  (", all->processes_size(), " of ", all->total_count(),
                  all->others_hidden() ? " that are not hidden" : "", ", by ",
                  state.process_order == v1::PROCESS_ORDER_MEMORY
                      ? "memory"
                      : "CPU, % of one core",
                  ")"),
              Style::kTitle);
  }
  lines.push_back(title.PadTo(width));
  if (all == nullptr) {
    lines.emplace_back("         processes come with the next snapshot",
                       Style::kDim);
    return;
  }
  const v1::Process* selected = page ? state.SelectedProcess() : nullptr;
  const auto rows = static_cast<size_t>(all->processes_size());
  size_t at = 0;
  for (size_t i = 0; i < rows; ++i) {
    if (&all->processes(static_cast<int>(i)) == selected) at = i;
  }
  pane.processes = std::min(rows, height - 1);
  pane.first = at < pane.processes ? 0 : at - pane.processes + 1;
  pane.processes_y = static_cast<int>(lines.size());
  const int64_t memory =
      state.model.rows()[*state.cursor].values.memory_total_bytes;
  for (size_t i = 0; i < pane.processes; ++i) {
    const v1::Process& one = all->processes(static_cast<int>(pane.first + i));
    Line line = ProcessLine(one, memory, width);
    if (&one == selected) line.Restyle(Style::kSelected);
    lines.push_back(std::move(line));
  }
}

// What is left to say of a host that is not there.
void AddAbsence(const HostRow& row, absl::Time now, absl::TimeZone zone,
                std::vector<Line>& lines) {
  if (!row.down) {
    lines.emplace_back("waiting for the first snapshot", Style::kDim);
    return;
  }
  lines.emplace_back(
      absl::StrCat("DOWN for ", FormatElapsed(now - row.down_since), ": ",
                   OutcomeName(row.ending.outcome), ": ", row.ending.reason),
      Style::kCritical);
  if (row.last == nullptr) {
    lines.emplace_back("It was never heard of.", Style::kDim);
    return;
  }
  lines.emplace_back(
      absl::StrCat("Last heard of at ",
                   absl::FormatTime("%H:%M:%S", row.received, zone), ", ",
                   FormatElapsed(now - row.received),
                   " ago; what it was like then is no news."),
      Style::kDim);
}

void AddEvents(const TopState& state, absl::TimeZone zone, size_t height,
               std::vector<Line>& lines) {
  if (height < 2 || state.model.log().empty()) return;
  lines.emplace_back("EVENTS", Style::kTitle);
  const auto& log = state.model.log();
  const size_t count = std::min(log.size(), height - 1);
  for (size_t i = 0; i < count; ++i) {
    const FleetModel::LogLine& one = log[log.size() - 1 - i];
    lines.emplace_back(
        absl::StrCat(absl::FormatTime("%H:%M:%S ", one.time, zone), one.text));
  }
}

Line Beside(Line left, size_t at, const Line* right) {
  left.PadTo(at);
  left.Add("| ", Style::kDim);
  if (right != nullptr) {
    for (const Span& span : right->spans()) left.Add(span.text, span.style);
  }
  return left;
}

}  // namespace

HostPane DrawHost(const ViewSettings& settings, absl::Time now,
                  const TopState& state, size_t height, bool page) {
  HostPane pane;
  if (!state.cursor.has_value() || height == 0) return pane;
  const HostRow& row = state.model.rows()[*state.cursor];
  std::vector<Line>& lines = pane.lines;
  lines.push_back(TitleLine(row, now, settings.width));
  if (row.down || row.last == nullptr) {
    AddAbsence(row, now, settings.zone, lines);
    AddEvents(state, settings.zone,
              height > lines.size() ? height - lines.size() : 0, lines);
    if (lines.size() > height) lines.resize(height);
    return pane;
  }
  if (state.model.StateOf(row, now) == HostState::kStale) {
    lines.emplace_back(absl::StrCat("STALE: no snapshot for ",
                                    FormatElapsed(FleetModel::AgeOf(row, now)),
                                    "; these are the last numbers"),
                       Style::kWarning);
  }
  for (const std::string& problem : row.last->status().agent().problems()) {
    if (lines.size() > kMostProblems) break;
    lines.emplace_back(problem, Style::kWarning);
  }
  const bool two = settings.width >= kTwoPanes && height >= kTwoPanesHeight;
  std::vector<Line> facts;
  facts.push_back(CpuLine(row));
  facts.push_back(MemoryLine(row));
  facts.push_back(TrafficLine(row));
  if (HasGroup(row)) facts.push_back(GroupLine(row));
  const size_t rest = height > lines.size() ? height - lines.size() : 0;
  if (!two && !page) facts.push_back(WorstDiskLine(row));
  if (two || page) {
    const size_t room = rest > facts.size() ? rest - facts.size() : 0;
    // Beside the processes there is all the room; above them a half of it.
    size_t most = two ? room : room / 2;
    auto take = [&most](size_t wanted) {
      const size_t taken = std::min(wanted, most);
      most -= taken;
      return taken;
    };
    const auto disks =
        static_cast<size_t>(row.last->status().disk().filesystems_size());
    const auto interfaces =
        static_cast<size_t>(row.last->status().network().interfaces_size());
    const size_t disk_lines = take(1 + std::min(disks, kMostFilesystems));
    const size_t net_lines = take(1 + std::min(interfaces, kMostInterfaces));
    const size_t graph_lines = take(two ? 6 : 5);
    AddGraph(settings, now, row, two ? settings.width / 2 : settings.width,
             graph_lines, facts);
    AddDisks(row, disk_lines, facts);
    AddInterfaces(row, net_lines, facts);
    if (two) AddEvents(state, settings.zone, most, facts);
  }
  if (!two) {
    for (Line& line : facts) lines.push_back(std::move(line));
    AddProcesses(state, settings.width,
                 height > lines.size() ? height - lines.size() : 0, page, pane,
                 lines);
  } else {
    const size_t half = settings.width * 9 / 20;
    std::vector<Line> processes;
    AddProcesses(state, settings.width - half - 2, rest, page, pane, processes);
    if (pane.processes_y >= 0) {
      pane.processes_y += static_cast<int>(lines.size());
    }
    for (size_t i = 0; i < rest; ++i) {
      if (i >= facts.size() && i >= processes.size()) break;
      lines.push_back(Beside(i < facts.size() ? std::move(facts[i]) : Line(),
                             half,
                             i < processes.size() ? &processes[i] : nullptr));
    }
  }
  if (lines.size() > height) lines.resize(height);
  return pane;
}

}  // namespace specula::ctl
