#include "ctl/views.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ctl/from_proto.h"
#include "ctl/table.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr auto kRight = Table::Align::kRight;
constexpr auto kLeft = Table::Align::kLeft;
constexpr char kNone[] = "-";

std::string Percent(double share) {
  return absl::StrFormat("%.1f", share * 100);
}

template <typename Message>
std::string Utilization(const Message& message) {
  return message.has_utilization() ? Percent(message.utilization()) : kNone;
}

// Says that it is no figure of the kernel's, which could not be.
constexpr char kEstimated[] = "~";
constexpr char kEstimatedLegend[] =
    "~ estimated: what the kernel says of memory cannot be\n";

bool IsEstimated(const v1::Memory& memory) {
  return memory.quality() == v1::QUALITY_CLAMPED;
}

std::string MemoryUtilization(const v1::Memory& memory) {
  return absl::StrCat(Utilization(memory),
                      IsEstimated(memory) ? kEstimated : "");
}

std::string UsedOfTotal(int64_t used, int64_t total) {
  return total > 0 ? absl::StrCat(FormatBytes(used), "/", FormatBytes(total))
                   : kNone;
}

std::string Share(int64_t part, int64_t whole) {
  return whole > 0
             ? Percent(static_cast<double>(part) / static_cast<double>(whole))
             : kNone;
}

std::string Rate(double bytes_per_second) {
  return absl::StrCat(FormatBytes(std::llround(bytes_per_second)), "/s");
}

// True if an address is all that is known of a host: it was found by a name
// that it shares with others (dns:///).
bool IsNameless(const Target& target) {
  const Endpoint& endpoint = target.endpoint;
  return !endpoint.certificate_name.empty() &&
         endpoint.certificate_name != endpoint.address.host &&
         HostName(target) == endpoint.address.host;
}

// One row for a host that gave no result.
void AddFailure(Table& table, const Target& target, const Ending& ending) {
  table.AddNote({HostLabel(target), EndingText(ending)});
}

// What stands below a table: the legend, if the mark is in it.
template <typename Response>
std::string Legend(const Results<Response>& results,
                   const v1::Memory& (Response::*memory)() const) {
  const bool marked = std::any_of(
      results.begin(), results.end(), [&](const HostResult<Response>& result) {
        return result.ending.outcome == Outcome::kOk &&
               IsEstimated((result.response.*memory)());
      });
  return marked ? kEstimatedLegend : "";
}

// A line for each thing that keeps an agent from seeing its host as a whole.
std::string Problems(const std::vector<Target>& targets,
                     const Results<v1::StatusResponse>& results) {
  std::string lines;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (results[i].ending.outcome != Outcome::kOk) continue;
    for (const std::string& one : results[i].response.agent().problems()) {
      absl::StrAppend(
          &lines,
          EscapeControls(absl::StrCat(HostLabel(targets[i]), ": ", one)), "\n");
    }
  }
  return lines;
}

// Calls add(target, response) for the hosts that answered.
template <typename Response, typename Add>
std::string RenderRows(Table table, const std::vector<Target>& targets,
                       const Results<Response>& results,
                       const ViewOptions& options, Add add) {
  for (size_t i = 0; i < targets.size(); ++i) {
    if (results[i].ending.outcome == Outcome::kOk) {
      add(table, targets[i], results[i].response);
    } else {
      AddFailure(table, targets[i], results[i].ending);
    }
  }
  return table.Render(options.max_width);
}

void AddCpuRow(Table& table, std::string host, std::string core,
               const v1::CpuTimes* times, std::string utilization) {
  std::vector<std::string> cells = {std::move(host), std::move(core),
                                    std::move(utilization)};
  for (double (v1::CpuTimes::*share)() const :
       {&v1::CpuTimes::user, &v1::CpuTimes::system, &v1::CpuTimes::nice,
        &v1::CpuTimes::iowait, &v1::CpuTimes::irq, &v1::CpuTimes::softirq,
        &v1::CpuTimes::steal, &v1::CpuTimes::idle}) {
    cells.push_back(times == nullptr ? kNone : Percent((times->*share)()));
  }
  table.Add(std::move(cells));
}

bool HasFigures(const v1::Filesystem& row) {
  return row.quality() == v1::QUALITY_OK ||
         row.quality() == v1::QUALITY_CLAMPED;
}

std::string FilesystemNote(const v1::Filesystem& row) {
  std::vector<std::string> notes;
  if (row.turned_read_only()) notes.push_back("turned read-only");
  if (row.quality() == v1::QUALITY_STALLED) {
    notes.push_back("stalled: does not answer");
  } else if (row.quality() == v1::QUALITY_CLAMPED) {
    notes.push_back("figures out of range, cut");
  } else if (row.quality() != v1::QUALITY_OK) {
    notes.push_back("unavailable");
  }
  // By design, and of no interest where there is anything else to say.
  if (notes.empty() && row.read_only()) return "read-only";
  return absl::StrJoin(notes, "; ");
}

// Of all disks, with a mark where they need a look: the worst in front.
std::string DiskShare(const v1::Disk& disk) {
  const bool turned = std::any_of(
      disk.filesystems().begin(), disk.filesystems().end(),
      [](const v1::Filesystem& row) { return row.turned_read_only(); });
  return absl::StrCat(turned ? "READ-ONLY " : "",
                      Share(disk.used_bytes(), disk.total_bytes()),
                      disk.quality() == v1::QUALITY_STALLED ? "?" : "");
}

}  // namespace

std::string EndingText(const Ending& ending) {
  return absl::StrCat(OutcomeName(ending.outcome),
                      ending.reason.empty() ? "" : ": ", ending.reason);
}

std::string ViewStatus(const std::vector<Target>& targets,
                       const Results<v1::StatusResponse>& results,
                       const ViewOptions& options) {
  // Which host it is then says the host alone.
  const bool own_names =
      std::any_of(targets.begin(), targets.end(), IsNameless);
  std::vector<Table::Column> columns = {{"HOST", kLeft}};
  if (own_names) columns.push_back({"HOSTNAME", kLeft});
  for (const char* title :
       {"CPU%", "MEM%", "MEM", "DISK%", "DISK", "LOAD", "RX", "TX", "UP"}) {
    columns.push_back({title, kRight});
  }
  const std::string table = RenderRows(
      Table(std::move(columns)), targets, results, options,
      [&](Table& rows, const Target& target, const v1::StatusResponse& status) {
        const v1::Network& network = status.network();
        const bool rates = network.has_received_bytes_per_second();
        std::vector<std::string> cells = {HostLabel(target)};
        if (own_names) cells.push_back(status.host().hostname());
        cells.insert(
            cells.end(),
            {Utilization(status.cpu()), MemoryUtilization(status.memory()),
             UsedOfTotal(status.memory().used_bytes(),
                         status.memory().total_bytes()),
             DiskShare(status.disk()),
             UsedOfTotal(status.disk().used_bytes(),
                         status.disk().total_bytes()),
             status.has_load()
                 ? absl::StrFormat("%.2f", status.load().one_minute())
                 : kNone,
             rates ? Rate(network.received_bytes_per_second()) : kNone,
             rates ? Rate(network.transmitted_bytes_per_second()) : kNone,
             status.host().has_uptime()
                 ? FormatElapsed(FromProto(status.host().uptime()))
                 : kNone});
        rows.Add(std::move(cells));
      });
  return absl::StrCat(table, Legend(results, &v1::StatusResponse::memory),
                      Problems(targets, results));
}

std::string ViewCpu(const std::vector<Target>& targets,
                    const Results<v1::CpuResponse>& results, bool cores,
                    const ViewOptions& options) {
  Table table({{"HOST", kLeft},
               {"CORE", kRight},
               {"CPU%", kRight},
               {"USER", kRight},
               {"SYS", kRight},
               {"NICE", kRight},
               {"IOWAIT", kRight},
               {"IRQ", kRight},
               {"SOFTIRQ", kRight},
               {"STEAL", kRight},
               {"IDLE", kRight}});
  return RenderRows(
      std::move(table), targets, results, options,
      [cores](Table& rows, const Target& target,
              const v1::CpuResponse& response) {
        const v1::Cpu& cpu = response.cpu();
        AddCpuRow(rows, HostLabel(target),
                  absl::StrCat("all ", cpu.logical_count()),
                  cpu.has_times() ? &cpu.times() : nullptr, Utilization(cpu));
        if (!cores) return;
        for (const v1::CpuCore& core : cpu.cores()) {
          AddCpuRow(rows, HostLabel(target), absl::StrCat(core.id()),
                    core.has_times() ? &core.times() : nullptr,
                    Utilization(core));
        }
      });
}

std::string ViewMem(const std::vector<Target>& targets,
                    const Results<v1::MemResponse>& results,
                    const ViewOptions& options) {
  Table table({{"HOST", kLeft},
               {"TOTAL", kRight},
               {"USED", kRight},
               {"MEM%", kRight},
               {"AVAILABLE", kRight},
               {"FREE", kRight},
               {"CACHED", kRight},
               {"BUFFERS", kRight},
               {"SWAP", kRight},
               {"HUGEPAGES", kRight}});
  const std::string text = RenderRows(
      std::move(table), targets, results, options,
      [](Table& rows, const Target& target, const v1::MemResponse& response) {
        const v1::Memory& memory = response.memory();
        if (memory.quality() == v1::QUALITY_UNAVAILABLE) {
          rows.Add({HostLabel(target), kNone, kNone, kNone, kNone, kNone, kNone,
                    kNone, kNone, kNone});
          return;
        }
        const int64_t huge_used =
            memory.hugepages_total_count() - memory.hugepages_free_count();
        rows.Add(
            {HostLabel(target), FormatBytes(memory.total_bytes()),
             FormatBytes(memory.used_bytes()), MemoryUtilization(memory),
             FormatBytes(memory.available_bytes()),
             FormatBytes(memory.free_bytes()),
             FormatBytes(memory.cached_bytes()),
             FormatBytes(memory.buffers_bytes()),
             UsedOfTotal(memory.swap_used_bytes(), memory.swap_total_bytes()),
             memory.hugepages_total_count() > 0
                 ? absl::StrCat(huge_used, "/", memory.hugepages_total_count())
                 : kNone});
      });
  return absl::StrCat(text, Legend(results, &v1::MemResponse::memory));
}

std::string ViewDisk(const std::vector<Target>& targets,
                     const Results<v1::DiskResponse>& results, bool io,
                     const ViewOptions& options) {
  if (io) {
    Table table({{"HOST", kLeft},
                 {"DEVICE", kLeft},
                 {"READ", kRight},
                 {"WRITE", kRight},
                 {"R/S", kRight},
                 {"W/S", kRight},
                 {"UTIL%", kRight},
                 {"LATENCY", kRight}});
    return RenderRows(
        std::move(table), targets, results, options,
        [](Table& rows, const Target& target,
           const v1::DiskResponse& response) {
          if (response.disk().devices().empty())
            rows.Add({HostLabel(target), kNone});
          for (const v1::BlockDevice& device : response.disk().devices()) {
            if (device.quality() != v1::QUALITY_OK) {
              rows.Add({HostLabel(target), device.name(), kNone, kNone, kNone,
                        kNone, kNone, kNone});
              continue;
            }
            rows.Add({HostLabel(target), device.name(),
                      Rate(device.read_bytes_per_second()),
                      Rate(device.written_bytes_per_second()),
                      absl::StrFormat("%.1f", device.reads_per_second()),
                      absl::StrFormat("%.1f", device.writes_per_second()),
                      Percent(device.utilization()),
                      device.has_mean_latency()
                          ? absl::StrFormat(
                                "%.1fms", absl::ToDoubleMilliseconds(
                                              FromProto(device.mean_latency())))
                          : kNone});
          }
        });
  }
  Table table({{"HOST", kLeft},
               {"MOUNT", kLeft},
               {"TYPE", kLeft},
               {"SIZE", kRight},
               {"USED", kRight},
               {"AVAIL", kRight},
               {"USE%", kRight},
               {"INODE%", kRight},
               {"NOTE", kLeft}});
  return RenderRows(
      std::move(table), targets, results, options,
      [](Table& rows, const Target& target, const v1::DiskResponse& response) {
        if (response.disk().filesystems().empty())
          rows.Add({HostLabel(target), kNone});
        for (const v1::Filesystem& row : response.disk().filesystems()) {
          const bool known = HasFigures(row);
          rows.Add({HostLabel(target), row.mount_point(), row.type(),
                    known ? FormatBytes(row.total_bytes()) : kNone,
                    known ? FormatBytes(row.used_bytes()) : kNone,
                    known ? FormatBytes(row.available_bytes()) : kNone,
                    Utilization(row),
                    Share(row.inodes_used_count(), row.inodes_total_count()),
                    FilesystemNote(row)});
        }
      });
}

std::string ViewProcesses(const std::vector<Target>& targets,
                          const Results<v1::ProcessesResponse>& results,
                          const ViewOptions& options) {
  Table table({{"HOST", kLeft},
               {"PID", kRight},
               {"USER", kLeft},
               {"S", kLeft},
               {"THR", kRight},
               {"CPU%", kRight},
               {"RSS", kRight},
               {"TIME", kRight},
               {"COMMAND", kLeft}});
  return RenderRows(
      std::move(table), targets, results, options,
      [](Table& rows, const Target& target,
         const v1::ProcessesResponse& response) {
        if (response.processes().empty()) rows.Add({HostLabel(target), kNone});
        for (const v1::Process& process : response.processes()) {
          rows.Add({HostLabel(target), absl::StrCat(process.pid()),
                    process.user(), process.state(),
                    absl::StrCat(process.thread_count()),
                    process.has_cpu_utilization()
                        ? Percent(process.cpu_utilization())
                        : kNone,
                    FormatBytes(process.resident_bytes()),
                    FormatElapsed(FromProto(process.cpu_time())),
                    process.command_line()});
        }
        if (response.others_hidden()) {
          rows.AddNote({HostLabel(target),
                        absl::StrCat("the host hides processes of other users "
                                     "from the agent (hidepid); it has more "
                                     "than the ",
                                     response.total_count(), " it sees")});
        }
      });
}

}  // namespace specula::ctl
