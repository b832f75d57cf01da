#include "agent/metrics/sampler.h"

#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "agent/metrics/cpu.h"
#include "agent/metrics/memory.h"
#include "agent/metrics/network.h"
#include "agent/metrics/to_proto.h"
#include "agent/proc/parse.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kSlowCallLimit = absl::Seconds(1);
constexpr int kSlowCallThreads = 8;  // made only as others are stuck
constexpr absl::string_view kLocalKey = "local file systems";
constexpr absl::string_view kSensorsKey = "sensors";

absl::StatusOr<struct statvfs> RealStatvfs(const std::string& path) {
  struct statvfs space;
  if (statvfs(path.c_str(), &space) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("statvfs(", path, ")"));
  }
  return space;
}

template <typename T>
std::shared_ptr<const Sample<T>> MakeSample(T value) {
  return std::make_shared<const Sample<T>>(
      Sample<T>{MonotonicNow(), std::move(value)});
}

// Exchanges a sample and gives the value before it and the window between them.
template <typename T>
struct Window {
  Window(Baselines<T>& baselines, std::shared_ptr<const Sample<T>> current)
      : previous(baselines.Exchange(current)),
        length(previous == nullptr ? absl::ZeroDuration()
                                   : current->taken - previous->taken) {}
  const T* value() const {
    return previous == nullptr ? nullptr : &previous->value;
  }
  std::shared_ptr<const Sample<T>> previous;
  absl::Duration length;
};

void FillPressureLine(const PressureShares& shares, v1::PressureLine* line) {
  line->set_ten_seconds(shares.ten_seconds);
  line->set_one_minute(shares.one_minute);
  line->set_five_minutes(shares.five_minutes);
}

}  // namespace

Sampler::Sampler(ProcRoot& root) : Sampler(root, nullptr, RealStatvfs) {}

Sampler::Sampler(ProcRoot& root, Statvfs statvfs)
    : Sampler(root, &root, std::move(statvfs)) {}

Sampler::Sampler(ProcRoot& root, ProcRoot* own, Statvfs statvfs)
    : root_(root),
      self_(""),
      own_(own == nullptr ? self_ : *own),
      own_usage_(self_, getppid()),  // the broker starts the front
      statvfs_(std::move(statvfs)),
      start_time_(absl::Now()),
      slow_calls_(kSlowCallLimit, kSlowCallThreads) {}

Sampler::Ref<CpuStat> Sampler::ReadCpu() {
  absl::StatusOr<CpuStat> stat = sources_.Read("/proc/stat", ParseCpuStat);
  return stat.ok() ? MakeSample(*std::move(stat)) : nullptr;
}

Sampler::Ref<std::vector<DiskCounters>> Sampler::ReadDisks() {
  // Some containers have none (gVisor, OpenVZ).
  absl::StatusOr<std::string> text =
      sources_.Read("/proc/diskstats", Sources::Presence::kPerhaps);
  return text.ok() ? MakeSample(ParseDiskStats(*text)) : nullptr;
}

Sampler::Ref<std::vector<InterfaceCounters>> Sampler::ReadNetwork() {
  // /proc/net is that of whoever reads it. Where the host's files are below a
  // directory, the reader is in a container, and the host's first process is
  // not.
  absl::StatusOr<std::string> text =
      absl::NotFoundError("the host's files are not below a directory");
  if (!root_.Path("").empty()) text = root_.ReadPinned("/proc/1/net/dev");
  if (!text.ok()) text = sources_.Read("/proc/net/dev");
  return text.ok() ? MakeSample(ParseNetDev(*text)) : nullptr;
}

Sampler::Ref<ProcessList> Sampler::ReadProcesses() {
  return MakeSample(ReadProcessList(root_));
}

Sampler::Ref<absl::Duration> Sampler::ReadSelf() {
  std::optional<absl::Duration> time = own_usage_.CpuTime();
  return time.has_value() ? MakeSample(*time) : nullptr;
}

absl::Duration Sampler::Prime(unsigned kinds, BaselineSet& baselines) {
  const absl::Duration now = MonotonicNow();
  absl::Duration wait = absl::ZeroDuration();
  auto prime = [&](auto& kind, auto read) {
    absl::Duration until = kind.TimeUntilUsable(now);
    if (until == absl::InfiniteDuration()) {
      auto sample = read();
      if (sample == nullptr) return;  // nothing to wait for
      kind.Exchange(std::move(sample));
      until = kSharedPolicy.min_window;
    }
    wait = std::max(wait, until);
  };
  const bool status = (kinds & kStatusCounters) != 0;
  if (status || (kinds & kCpuCounters) != 0) {
    prime(baselines.cpu, [this] { return ReadCpu(); });
  }
  if (status || (kinds & kDiskCounters) != 0) {
    prime(baselines.disks, [this] { return ReadDisks(); });
  }
  if (status) {
    prime(baselines.network, [this] { return ReadNetwork(); });
    prime(baselines.self, [this] { return ReadSelf(); });
  }
  if ((kinds & kProcessCounters) != 0) {
    prime(baselines.processes, [this] { return ReadProcesses(); });
  }
  return wait;
}

void Sampler::FillCpu(BaselineSet& baselines, v1::Cpu* cpu) {
  Ref<CpuStat> current = ReadCpu();
  if (current == nullptr) {
    cpu->set_quality(v1::QUALITY_UNAVAILABLE);
    return;
  }
  const Window<CpuStat> window(baselines.cpu, current);
  agent::FillCpu(window.value(), current->value, window.length, cpu);
}

void Sampler::FillMemory(v1::Memory* memory) {
  absl::StatusOr<MemInfo> info = sources_.Read("/proc/meminfo", ParseMemInfo);
  if (info.ok()) {
    agent::FillMemory(*info, ReadArc(root_), memory);
  } else {
    memory->set_quality(v1::QUALITY_UNAVAILABLE);
  }
}

BootClocks Sampler::ReadClocks(const Ref<CpuStat>& stat) {
  BootClocks clocks;
  clocks.since_boot = SinceBoot(root_);
  absl::StatusOr<double> uptime = sources_.Read("/proc/uptime", ParseUptime);
  if (uptime.ok()) clocks.uptime = absl::Seconds(*uptime);
  if (stat != nullptr && stat->value.boot_time_seconds > 0) {
    clocks.boot_time = absl::FromUnixSeconds(stat->value.boot_time_seconds);
  }
  return clocks;
}

Visibility Sampler::WhatIsVisible() {
  const Visibility visibility = visibility_.Get(
      "", MonotonicNow(), [this] { return FindVisibility(root_, self_); });
  sources_.Note("processes", visibility.processes);
  sources_.Note("files of /proc", visibility.files);
  return visibility;
}

void Sampler::FillProcesses(BaselineSet& baselines, v1::ProcessOrder order,
                            size_t limit, v1::ProcessesResponse* response) {
  Ref<ProcessList> current = ReadProcesses();
  const Window<ProcessList> window(baselines.processes, current);
  const BootClocks clocks = ReadClocks(ReadCpu());
  const absl::Time epoch = TickEpoch(clocks, current->value, absl::Now());
  const UserNames users(root_);
  for (const RankedProcess& ranked : RankProcesses(
           window.value(), current->value, window.length, order, limit)) {
    FillProcess(root_, users, ranked, epoch, response->add_processes());
  }
  response->set_total_count(static_cast<int>(current->value.size()));
  response->set_others_hidden(!WhatIsVisible().processes.ok());
  if (window.previous != nullptr)
    *response->mutable_window() = ToProto(window.length);
}

bool Sampler::IsWholeDisk(const std::string& name) {
  static constexpr absl::string_view kSkipped[] = {
      "loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"};
  for (absl::string_view prefix : kSkipped) {
    if (absl::StartsWith(name, prefix)) return false;
  }
  // A partition has no directory of its own in /sys/block. A name with a slash
  // (cciss/c0d0) stands there with '!'.
  return whole_disks_.Get(name, MonotonicNow(), [&] {
    return root_.Exists(
        absl::StrCat("/sys/block/", absl::StrReplaceAll(name, {{"/", "!"}})));
  });
}

SelectedMounts Sampler::ReadMounts() {
  // An unprivileged agent may not read another process's mounts.
  static constexpr absl::string_view kPaths[] = {"/proc/1/mountinfo",
                                                 "/proc/self/mountinfo"};
  absl::MutexLock lock(&mounts_mutex_);
  for (absl::string_view path : kPaths) {
    // The list is long and changes rarely, and the kernel tells when it does.
    if (mounts_known_ && !root_.PinnedHasChanged(path)) return mounts_;
    // An overlay's line names all of its layers.
    absl::StatusOr<std::string> text =
        root_.ReadPinned(path, /*longest_line=*/0);
    if (text.ok() || path == *std::rbegin(kPaths))
      sources_.Note("mountinfo", text.status());
    if (!text.ok()) continue;
    mounts_ = SelectMounts(ParseMountInfo(*text));
    mounts_known_ = true;
    return mounts_;
  }
  return {};
}

void Sampler::FillDiskCounters(BaselineSet& baselines, v1::Disk* disk) {
  Ref<std::vector<DiskCounters>> current = ReadDisks();
  if (current == nullptr) return;
  const Window<std::vector<DiskCounters>> window(baselines.disks, current);
  FillDevices(
      window.value(), current->value, window.length,
      [this](const std::string& name) { return IsWholeDisk(name); }, disk);
}

void Sampler::FillNetworkCounters(BaselineSet& baselines,
                                  v1::Network* network) {
  Ref<std::vector<InterfaceCounters>> current = ReadNetwork();
  if (current == nullptr) {
    network->set_quality(v1::QUALITY_UNAVAILABLE);
    return;
  }
  const Window<std::vector<InterfaceCounters>> window(baselines.network,
                                                      current);
  FillNetwork(window.value(), current->value, window.length,
              interfaces_.Counted(current->value, MonotonicNow()), network);
}

std::vector<SlowCalls::Call> Sampler::DiskCalls(v1::Disk* disk) {
  SelectedMounts selected = ReadMounts();
  disk->set_excluded_mount_count(selected.excluded);

  std::vector<SlowCalls::Call> calls;
  std::vector<std::pair<int, Mount>> local;
  // Every call owns what it works on, as it may come back after the answer was
  // sent; only Apply, which is dropped then, touches the answer.
  auto run = [this, disk](std::vector<std::pair<int, Mount>> mounts) {
    return [statvfs = statvfs_, prefix = root_.Path(""), disk,
            mounts = std::move(mounts)]() -> SlowCalls::Apply {
      std::vector<absl::StatusOr<struct statvfs>> spaces;
      spaces.reserve(mounts.size());
      for (const auto& [row, mount] : mounts) {
        spaces.push_back(statvfs(prefix + mount.mount_point));
      }
      return [disk, mounts, spaces = std::move(spaces)] {
        for (size_t i = 0; i < mounts.size(); ++i) {
          FillFilesystem(mounts[i].second, spaces[i],
                         disk->mutable_filesystems(mounts[i].first));
        }
      };
    };
  };
  for (Mount& mount : selected.mounts) {
    const int row = disk->filesystems_size();
    if (IsPromptType(mount.type)) {
      FillFilesystem(mount, statvfs_(root_.Path(mount.mount_point)),
                     disk->add_filesystems());
      continue;
    }
    // What stands there if the call does not come back.
    FillFilesystem(mount, absl::DeadlineExceededError("statvfs"),
                   disk->add_filesystems());
    if (IsRemoteType(mount.type)) {
      std::string key = mount.mount_point;
      calls.push_back({std::move(key), run({{row, std::move(mount)}})});
    } else {
      local.emplace_back(row, std::move(mount));
    }
  }
  if (!local.empty())
    calls.push_back({std::string(kLocalKey), run(std::move(local))});
  return calls;
}

void Sampler::RunSlowCalls(std::vector<SlowCalls::Call> calls, v1::Disk* disk,
                           std::function<void()> done) {
  slow_calls_.Run(std::move(calls), [disk, done = std::move(done)](
                                        const std::vector<std::string>&) {
    if (disk->filesystems_size() > 0) {
      SumFilesystems(disk);
    } else {
      disk->set_quality(v1::QUALITY_UNAVAILABLE);
    }
    done();
  });
}

void Sampler::FillDisk(BaselineSet& baselines, v1::Disk* disk,
                       std::function<void()> done) {
  FillDiskCounters(baselines, disk);
  RunSlowCalls(DiskCalls(disk), disk, std::move(done));
}

void Sampler::FillPressure(absl::string_view resource,
                           v1::Pressure* (v1::StatusResponse::*field)(),
                           v1::StatusResponse* status) {
  absl::StatusOr<PressureFile> file =
      sources_.Read(absl::StrCat("/proc/pressure/", resource), ParsePressure,
                    Sources::Presence::kPerhaps);
  if (!file.ok()) return;
  v1::Pressure* pressure = (status->*field)();
  FillPressureLine(file->some, pressure->mutable_some());
  if (file->full.has_value())
    FillPressureLine(*file->full, pressure->mutable_full());
}

void Sampler::FillSystem(BaselineSet& baselines, v1::StatusResponse* status) {
  *status->mutable_time() = ToProto(absl::Now());
  v1::Host* host = status->mutable_host();
  *host = *host_.Get("", MonotonicNow(), [this] {
    return std::make_shared<const v1::Host>(ReadHostFacts(root_));
  });
  absl::StatusOr<std::string> hostname =
      sources_.Read("/proc/sys/kernel/hostname");
  if (hostname.ok())
    host->set_hostname(ToUtf8(absl::StripAsciiWhitespace(*hostname)));

  Ref<CpuStat> stat = ReadCpu();
  if (stat == nullptr) {
    status->mutable_cpu()->set_quality(v1::QUALITY_UNAVAILABLE);
  } else {
    const Window<CpuStat> window(baselines.cpu, stat);
    agent::FillCpu(window.value(), stat->value, window.length,
                   status->mutable_cpu());
  }
  FillMemory(status->mutable_memory());

  const BootClocks clocks = ReadClocks(stat);
  if (clocks.uptime.has_value())
    *host->mutable_uptime() = ToProto(*clocks.uptime);
  if (auto boot = BootTime(clocks, absl::Now()); boot.has_value())
    *host->mutable_boot_time() = ToProto(*boot);
  absl::StatusOr<LoadAverage> average =
      sources_.Read("/proc/loadavg", ParseLoadAverage);
  if (average.ok()) {
    v1::Load* load = status->mutable_load();
    load->set_one_minute(average->one_minute);
    load->set_five_minutes(average->five_minutes);
    load->set_fifteen_minutes(average->fifteen_minutes);
    load->set_runnable_count(average->runnable);
    load->set_task_count(average->tasks);
  }
  FillPressure("cpu", &v1::StatusResponse::mutable_cpu_pressure, status);
  FillPressure("memory", &v1::StatusResponse::mutable_memory_pressure, status);
  FillPressure("io", &v1::StatusResponse::mutable_io_pressure, status);
  FillNetworkCounters(baselines, status->mutable_network());

  const CgroupFiles limits = cgroup_.Read(own_);
  if (HasAny(limits)) FillCgroup(limits, status->mutable_cgroup());

  v1::Agent* agent = status->mutable_agent();
  *agent->mutable_start_time() = ToProto(start_time_);
  agent->set_memory_bytes(own_usage_.ResidentBytes());
  if (Ref<absl::Duration> self = ReadSelf(); self != nullptr) {
    const Window<absl::Duration> window(baselines.self, self);
    if (window.value() != nullptr && window.length > absl::ZeroDuration()) {
      agent->set_cpu_utilization(
          absl::FDivDuration(self->value - *window.value(), window.length));
    }
  }
}

void Sampler::FillStatus(BaselineSet& baselines, v1::StatusResponse* status,
                         std::function<void()> done) {
  FillSystem(baselines, status);
  v1::Disk* disk = status->mutable_disk();
  FillDiskCounters(baselines, disk);
  std::vector<SlowCalls::Call> calls = DiskCalls(disk);
  if (root_.Exists("/sys/class/hwmon")) {
    calls.push_back({std::string(kSensorsKey),
                     [prefix = root_.Path(""), status]() -> SlowCalls::Apply {
                       return [status,
                               sensors = ReadTemperatures(ProcRoot(prefix))] {
                         for (const v1::Temperature& sensor : sensors) {
                           *status->add_temperatures() = sensor;
                         }
                       };
                     }});
  }
  WhatIsVisible();
  sources_.FillProblems(status->mutable_agent());
  RunSlowCalls(std::move(calls), disk, std::move(done));
}

}  // namespace specula::agent
