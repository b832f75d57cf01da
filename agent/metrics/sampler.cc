#include "agent/metrics/sampler.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/metrics/cpu.h"
#include "agent/metrics/memory.h"
#include "agent/metrics/network.h"
#include "agent/metrics/to_proto.h"
#include "agent/slow_kinds.h"
#include "lib/base/clock.h"

namespace specula::agent {
namespace {

using Apply = SlowCalls::Apply;

constexpr int kMaxProblems = 16;
constexpr char kVisibilityKey[] = "what is hidden of /proc";
constexpr char kSensorsKey[] = "the sensors";
constexpr char kNetworkKey[] = "/proc/net/dev";

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

// The names of those counters of which `is_so`, which may hang.
template <typename Counters, typename Predicate>
std::set<std::string> NamesWhere(const Counters& counters, Predicate is_so) {
  std::set<std::string> names;
  for (const auto& row : counters) {
    if (is_so(row.name)) names.insert(row.name);
  }
  return names;
}

void TakeBootTime(const CpuStat& stat, BootClocks* clocks) {
  if (clocks == nullptr || stat.boot_time_seconds <= 0) return;
  clocks->boot_time = absl::FromUnixSeconds(stat.boot_time_seconds);
}

void FillUptime(const BootClocks& clocks, v1::Host* host) {
  if (clocks.uptime.has_value())
    *host->mutable_uptime() = ToProto(*clocks.uptime);
  if (auto boot = BootTime(clocks, absl::Now()); boot.has_value())
    *host->mutable_boot_time() = ToProto(*boot);
}

void AddStuck(const std::vector<std::string>& stuck, v1::Agent* agent) {
  for (const std::string& key : stuck) {
    if (agent->problems_size() >= kMaxProblems) return;
    agent->add_problems(absl::StrCat(key, ": does not answer"));
  }
}

}  // namespace

Sampler::Sampler(SlowCalls& slow, std::string root)
    : slow_(slow),
      reader_(std::make_shared<HostReader>(std::move(root), /*here=*/false,
                                           nullptr)),
      start_time_(absl::Now()) {}

Sampler::Sampler(SlowCalls& slow, std::string root, Statvfs statvfs,
                 absl::Duration look_again)
    : slow_(slow),
      reader_(std::make_shared<HostReader>(std::move(root), /*here=*/true,
                                           std::move(statvfs), look_again)),
      start_time_(absl::Now()) {}

void Sampler::Prime(unsigned kinds, BaselineSet& baselines,
                    std::function<void(absl::Duration wait)> done) {
  const absl::Duration now = MonotonicNow();
  auto wait = std::make_shared<absl::Duration>(absl::ZeroDuration());
  const Quick quick = reader_->FindQuick();
  Calls calls;
  // A source that cannot be read is nothing to wait for.
  auto prime = [&](auto& kind, std::optional<HostSource> source, int slow_kind,
                   const char* key, auto read) {
    const absl::Duration until = kind.TimeUntilUsable(now);
    if (until != absl::InfiniteDuration()) {
      *wait = std::max(*wait, until);
      return;
    }
    auto run = [=, &kind, reader = reader_]() -> Apply {
      auto sample = ((*reader).*read)();
      if (sample == nullptr) return nullptr;
      return [=, &kind] {
        kind.Exchange(sample);
        *wait = std::max(*wait, kSharedPolicy.min_window);
      };
    };
    calls.push_back(source.has_value() ? HostCall(quick, *source, key, run)
                                       : SlowCalls::Call{slow_kind, key, run});
  };
  const bool status = (kinds & kStatusCounters) != 0;
  if (status || (kinds & kCpuCounters) != 0) {
    prime(baselines.cpu, HostSource::kCpu, kHostFiles, "/proc/stat",
          &HostReader::ReadCpu);
  }
  if (status || (kinds & kDiskCounters) != 0) {
    prime(baselines.disks, HostSource::kDisks, kHostFiles, "/proc/diskstats",
          &HostReader::ReadDisks);
  }
  if (status) {
    prime(baselines.network, HostSource::kNetwork, kHostFiles, kNetworkKey,
          &HostReader::ReadNetwork);
    prime(baselines.self, HostSource::kOwnUse, kHostFiles,
          "the agent's own use", &HostReader::ReadSelf);
  }
  if ((kinds & kProcessCounters) != 0) {
    prime(baselines.processes, std::nullopt, kProcessFiles, "/proc",
          &HostReader::ReadProcesses);
  }
  slow_.Run(std::move(calls),
            [wait, done = std::move(done)](const std::vector<std::string>&) {
              done(*wait);
            });
}

SlowCalls::Call Sampler::HostCall(const Quick& quick, HostSource source,
                                  std::string key,
                                  std::function<SlowCalls::Apply()> read) {
  auto turn =
      std::make_shared<HostReader::Turn>(reader_->TryTurn(source, quick));
  SlowCalls::Call call{kHostFiles, std::move(key), {}};
  call.at_once = turn->owns_lock();
  if (call.at_once) {
    call.run = [turn, read = std::move(read)]() -> Apply {
      const HostReader::Turn ends = std::move(*turn);
      return read();
    };
  } else {
    call.run = [source, reader = reader_, read = std::move(read)]() -> Apply {
      const HostReader::Turn ends = reader->TakeTurn(source);
      return read();
    };
  }
  return call;
}

void Sampler::AddMountsCall(const Quick& quick, Calls& calls) {
  if (quick != nullptr) return;
  calls.push_back(
      {kHostFiles, "/proc/self/mountinfo", [reader = reader_]() -> Apply {
         reader->LearnMounts();
         return nullptr;
       }});
}

SlowCalls::Call Sampler::CpuCall(const Quick& quick, BaselineSet& baselines,
                                 v1::Cpu* cpu, ClocksRef clocks) {
  cpu->set_quality(v1::QUALITY_STALLED);
  return HostCall(quick, HostSource::kCpu, "/proc/stat",
                  [reader = reader_, &baselines, cpu, clocks]() -> Apply {
                    return [=, &baselines, current = reader->ReadCpu()] {
                      if (current == nullptr) {
                        cpu->set_quality(v1::QUALITY_UNAVAILABLE);
                        return;
                      }
                      const Window<CpuStat> window(baselines.cpu, current);
                      agent::FillCpu(window.value(), current->value,
                                     window.length, cpu);
                      TakeBootTime(current->value, clocks.get());
                    };
                  });
}

SlowCalls::Call Sampler::ClocksCall(const Quick& quick, ClocksRef clocks) {
  return HostCall(quick, HostSource::kClocks, "/proc/uptime",
                  [reader = reader_, clocks]() -> Apply {
                    return [clocks, read = reader->ReadClocks()] {
                      clocks->since_boot = read.since_boot;
                      clocks->uptime = read.uptime;
                    };
                  });
}

SlowCalls::Call Sampler::MemoryCall(const Quick& quick, v1::Memory* memory) {
  memory->set_quality(v1::QUALITY_STALLED);
  return HostCall(quick, HostSource::kMemory, "/proc/meminfo",
                  [reader = reader_, memory]() -> Apply {
                    return [memory, read = reader->ReadMemory()] {
                      if (read.has_value()) {
                        agent::FillMemory(read->first, read->second, memory);
                      } else {
                        memory->set_quality(v1::QUALITY_UNAVAILABLE);
                      }
                    };
                  });
}

SlowCalls::Call Sampler::DevicesCall(const Quick& quick, BaselineSet& baselines,
                                     v1::Disk* disk) {
  return HostCall(
      quick, HostSource::kDisks, "/proc/diskstats",
      [reader = reader_, &baselines, disk]() -> Apply {
        const auto current = reader->ReadDisks();
        if (current == nullptr) return nullptr;
        auto whole = NamesWhere(current->value, [&](const auto& name) {
          return reader->IsWholeDisk(name);
        });
        return [=, &baselines, whole = std::move(whole)] {
          const Window<std::vector<DiskCounters>> window(baselines.disks,
                                                         current);
          FillDevices(
              window.value(), current->value, window.length,
              [&](const std::string& name) { return whole.contains(name); },
              disk);
        };
      });
}

SlowCalls::Call Sampler::NetworkCall(const Quick& quick, BaselineSet& baselines,
                                     v1::Network* network) {
  network->set_quality(v1::QUALITY_STALLED);
  return HostCall(quick, HostSource::kNetwork, kNetworkKey,
                  [reader = reader_, &baselines, network]() -> Apply {
                    const auto current = reader->ReadNetwork();
                    if (current == nullptr)
                      return [=] {
                        network->set_quality(v1::QUALITY_UNAVAILABLE);
                      };
                    auto counted = reader->CountedInterfaces(current->value);
                    return [=, &baselines, counted = std::move(counted)] {
                      const Window<std::vector<InterfaceCounters>> window(
                          baselines.network, current);
                      FillNetwork(window.value(), current->value, window.length,
                                  counted, network);
                    };
                  });
}

SlowCalls::Call Sampler::AgentCall(const Quick& quick, BaselineSet& baselines,
                                   v1::Agent* agent) {
  return HostCall(quick, HostSource::kOwnUse, "the agent's own use",
                  [reader = reader_, &baselines, agent]() -> Apply {
                    const int64_t memory = reader->ReadOwnMemory();
                    return [=, &baselines, self = reader->ReadSelf()] {
                      agent->set_memory_bytes(memory);
                      if (self == nullptr) return;
                      const Window<absl::Duration> window(baselines.self, self);
                      if (window.value() == nullptr ||
                          window.length <= absl::ZeroDuration())
                        return;
                      agent->set_cpu_utilization(absl::FDivDuration(
                          self->value - *window.value(), window.length));
                    };
                  });
}

void Sampler::AddHostCalls(const Quick& quick, v1::StatusResponse* status,
                           Calls& calls) {
  v1::Host* host = status->mutable_host();
  *host = reader_->last_host();
  calls.push_back(HostCall(quick, HostSource::kHost, "/proc/sys/kernel",
                           [reader = reader_, host]() -> Apply {
                             return [host, read = reader->ReadHost()] {
                               *host = read;
                             };
                           }));
  calls.push_back(HostCall(quick, HostSource::kVisibility, kVisibilityKey,
                           [reader = reader_]() -> Apply {
                             reader->ReadVisibility();
                             return nullptr;
                           }));
  calls.push_back(HostCall(quick, HostSource::kLoad, "/proc/loadavg",
                           [reader = reader_, status]() -> Apply {
                             return [status, average = reader->ReadLoad()] {
                               if (!average.has_value()) return;
                               v1::Load* load = status->mutable_load();
                               load->set_one_minute(average->one_minute);
                               load->set_five_minutes(average->five_minutes);
                               load->set_fifteen_minutes(
                                   average->fifteen_minutes);
                               load->set_runnable_count(average->runnable);
                               load->set_task_count(average->tasks);
                             };
                           }));
  static constexpr struct {
    HostSource source;
    const char* resource;
    v1::Pressure* (v1::StatusResponse::*field)();
  } kPressures[] = {{HostSource::kCpuPressure, "cpu",
                     &v1::StatusResponse::mutable_cpu_pressure},
                    {HostSource::kMemoryPressure, "memory",
                     &v1::StatusResponse::mutable_memory_pressure},
                    {HostSource::kIoPressure, "io",
                     &v1::StatusResponse::mutable_io_pressure}};
  for (const auto& [source, resource, field] : kPressures) {
    calls.push_back(
        HostCall(quick, source, absl::StrCat("/proc/pressure/", resource),
                 [reader = reader_, status, resource = resource,
                  field = field]() -> Apply {
                   return [=, file = reader->ReadPressure(resource)] {
                     if (!file.has_value()) return;
                     v1::Pressure* pressure = (status->*field)();
                     FillPressureLine(file->some, pressure->mutable_some());
                     if (file->full.has_value())
                       FillPressureLine(*file->full, pressure->mutable_full());
                   };
                 }));
  }
  calls.push_back(HostCall(quick, HostSource::kCgroup, "/sys/fs/cgroup",
                           [reader = reader_, status]() -> Apply {
                             return [status, limits = reader->ReadOwnCgroup()] {
                               if (HasAny(limits))
                                 FillCgroup(limits, status->mutable_cgroup());
                             };
                           }));
}

SlowCalls::Call Sampler::SensorsCall(const Quick& quick,
                                     v1::StatusResponse* status) {
  SlowCalls::Call call =
      HostCall(quick, HostSource::kSensors, kSensorsKey,
               [reader = reader_, status]() -> Apply {
                 return [status, sensors = reader->ReadTemperatures()] {
                   for (const v1::Temperature& sensor : sensors)
                     *status->add_temperatures() = sensor;
                 };
               });
  call.kind = kSensors;
  return call;
}

void Sampler::RunWithMounts(const Quick& quick, Calls calls, Calls more,
                            v1::Disk* disk, SlowCalls::Done done) {
  disk->set_quality(v1::QUALITY_STALLED);
  auto mounts = std::make_shared<HostMounts>();
  calls.push_back(HostCall(quick, HostSource::kMounts, "/proc/1/mountinfo",
                           [reader = reader_, mounts, disk]() -> Apply {
                             return [=, found = reader->ReadMounts()] {
                               *mounts = found;
                               disk->set_quality(v1::QUALITY_UNAVAILABLE);
                             };
                           }));
  slow_.Run(std::move(calls), [this, quick, mounts, more = std::move(more),
                               disk, done = std::move(done)](
                                  std::vector<std::string> stuck) mutable {
    disk->set_excluded_mount_count(mounts->selected.excluded);
    for (const Mount& mount : mounts->selected.mounts) {
      const int row = disk->filesystems_size();
      // What is said if the call does not come back.
      FillFilesystem(mount, absl::DeadlineExceededError("statvfs"),
                     disk->add_filesystems());
      const bool remote = mounts->IsRemote(mount.mount_point);
      more.push_back(
          {remote ? kRemoteFilesystems : kLocalFilesystems, mount.mount_point,
           [reader = reader_, mount, row, disk]() -> Apply {
             return [=, space = reader->ReadSpace(mount.mount_point)] {
               FillFilesystem(mount, space, disk->mutable_filesystems(row));
             };
           },
           quick != nullptr && !remote && reader_->IsSpaceQuick(mount)});
    }
    slow_.Run(std::move(more),
              [disk, stuck = std::move(stuck), done = std::move(done)](
                  const std::vector<std::string>& more_stuck) mutable {
                if (disk->filesystems_size() > 0) SumFilesystems(disk);
                // The rows of file systems speak for themselves.
                std::copy_if(more_stuck.begin(), more_stuck.end(),
                             std::back_inserter(stuck),
                             [](const std::string& key) {
                               return key == kSensorsKey || key == kNetworkKey;
                             });
                done(std::move(stuck));
              });
  });
}

void Sampler::FillCpu(BaselineSet& baselines, v1::Cpu* cpu, Done done) {
  const Quick quick = reader_->FindQuick();
  Calls calls;
  calls.push_back(CpuCall(quick, baselines, cpu, nullptr));
  AddMountsCall(quick, calls);
  slow_.Run(std::move(calls), [done = std::move(done)](
                                  const std::vector<std::string>&) { done(); });
}

void Sampler::FillMemory(v1::Memory* memory, Done done) {
  const Quick quick = reader_->FindQuick();
  Calls calls;
  calls.push_back(MemoryCall(quick, memory));
  AddMountsCall(quick, calls);
  slow_.Run(std::move(calls), [done = std::move(done)](
                                  const std::vector<std::string>&) { done(); });
}

void Sampler::FillDisk(BaselineSet& baselines, v1::Disk* disk, Done done) {
  const Quick quick = reader_->FindQuick();
  Calls calls;
  calls.push_back(DevicesCall(quick, baselines, disk));
  AddMountsCall(quick, calls);
  RunWithMounts(
      quick, std::move(calls), {}, disk,
      [done = std::move(done)](const std::vector<std::string>&) { done(); });
}

void Sampler::FillStatus(BaselineSet& baselines, v1::StatusResponse* status,
                         Done done) {
  *status->mutable_time() = ToProto(absl::Now());
  *status->mutable_agent()->mutable_start_time() = ToProto(start_time_);
  const auto clocks = std::make_shared<BootClocks>();
  const Quick quick = reader_->FindQuick();
  Calls calls;
  calls.push_back(CpuCall(quick, baselines, status->mutable_cpu(), clocks));
  calls.push_back(ClocksCall(quick, clocks));
  calls.push_back(MemoryCall(quick, status->mutable_memory()));
  AddHostCalls(quick, status, calls);
  calls.push_back(DevicesCall(quick, baselines, status->mutable_disk()));
  calls.push_back(AgentCall(quick, baselines, status->mutable_agent()));
  AddMountsCall(quick, calls);
  // With what takes a wake-up in any case.
  Calls more;
  more.push_back(NetworkCall(quick, baselines, status->mutable_network()));
  more.push_back(SensorsCall(quick, status));
  RunWithMounts(
      quick, std::move(calls), std::move(more), status->mutable_disk(),
      [reader = reader_, status, clocks,
       done = std::move(done)](const std::vector<std::string>& stuck) {
        FillUptime(*clocks, status->mutable_host());
        AddStuck(stuck, status->mutable_agent());
        reader->FillProblems(status->mutable_agent());
        done();
      });
}

void Sampler::FillProcesses(BaselineSet& baselines, v1::ProcessOrder order,
                            size_t limit, v1::ProcessesResponse* response,
                            std::function<void(absl::Status)> done) {
  // What the calls below find, for what is made of it.
  struct Found {
    HostReader::Ref<ProcessList> list;
    std::shared_ptr<const UserNames> users = std::make_shared<UserNames>();
    bool others_hidden = false;
  };
  const auto found = std::make_shared<Found>();
  const auto clocks = std::make_shared<BootClocks>();
  const Quick quick = reader_->FindQuick();
  Calls calls;
  calls.push_back({kProcessFiles, "/proc", [=, reader = reader_]() -> Apply {
                     return [=, list = reader->ReadProcesses()] {
                       found->list = list;
                     };
                   }});
  calls.push_back({kHostFiles, "/etc/passwd", [=, reader = reader_]() -> Apply {
                     auto users = std::make_shared<const UserNames>(
                         reader->ReadUserNames());
                     return [=] { found->users = users; };
                   }});
  calls.push_back(HostCall(quick, HostSource::kVisibility, kVisibilityKey,
                           [=, reader = reader_]() -> Apply {
                             return [=, seen = reader->ReadVisibility()] {
                               found->others_hidden = !seen.processes.ok();
                             };
                           }));
  calls.push_back(HostCall(quick, HostSource::kCpu, "/proc/stat",
                           [=, reader = reader_]() -> Apply {
                             return [=, stat = reader->ReadCpu()] {
                               if (stat != nullptr)
                                 TakeBootTime(stat->value, clocks.get());
                             };
                           }));
  calls.push_back(ClocksCall(quick, clocks));
  slow_.Run(std::move(calls), [this, found, clocks, &baselines, order, limit,
                               response, done = std::move(done)](
                                  const std::vector<std::string>&) mutable {
    if (found->list == nullptr) {
      done(absl::DeadlineExceededError(
          "the list of processes: /proc does not answer"));
      return;
    }
    const ProcessList& list = found->list->value;
    const Window<ProcessList> window(baselines.processes, found->list);
    const absl::Time epoch = TickEpoch(*clocks, list, absl::Now());
    for (const RankedProcess& ranked :
         RankProcesses(window.value(), list, window.length, order, limit)) {
      FillProcess(ranked, epoch, response->add_processes());
    }
    response->set_total_count(static_cast<int>(list.size()));
    response->set_others_hidden(found->others_hidden);
    if (window.previous != nullptr)
      *response->mutable_window() = ToProto(window.length);
    Calls details;
    details.reserve(static_cast<size_t>(response->processes_size()));
    for (v1::Process& row : *response->mutable_processes()) {
      details.push_back(
          {kProcessFiles, absl::StrCat(row.pid(), " ", row.start_ticks()),
           [reader = reader_, users = found->users, pid = row.pid(),
            &row]() -> Apply {
             return [&row, details = reader->ReadDetails(*users, pid)] {
               FillDetails(details, &row);
             };
           }});
    }
    slow_.Run(std::move(details),
              [done = std::move(done)](const std::vector<std::string>&) {
                done(absl::OkStatus());
              });
  });
}

}  // namespace specula::agent
