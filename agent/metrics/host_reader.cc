#include "agent/metrics/host_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/metrics/block_devices.h"
#include "agent/metrics/memory.h"
#include "agent/proc/parse.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

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

template <typename T>
std::optional<T> IfOk(absl::StatusOr<T> value) {
  if (!value.ok()) return std::nullopt;
  return *std::move(value);
}

// An unprivileged agent may not read another process's mounts.
constexpr absl::string_view kMountInfos[] = {"/proc/1/mountinfo",
                                             "/proc/self/mountinfo"};

// What a source reads each time; what it remembers for a while is asked of its
// memory.
std::vector<std::vector<std::string>> PathsOfSources(const ProcRoot& root,
                                                     const ProcRoot& own) {
  std::vector<std::vector<std::string>> paths(
      static_cast<size_t>(HostSource::kCount));
  const auto of = [&](HostSource source) -> std::vector<std::string>& {
    return paths[static_cast<size_t>(source)];
  };
  of(HostSource::kCpu) = {root.Path("/proc/stat")};
  of(HostSource::kClocks) = {root.Path("/proc/uptime"),
                             root.Path("/proc/self")};
  of(HostSource::kMemory) = {root.Path("/proc/meminfo"),
                             root.Path("/proc/spl")};
  of(HostSource::kHost) = {root.Path("/proc/sys/kernel")};
  of(HostSource::kVisibility) = {};
  of(HostSource::kLoad) = {root.Path("/proc/loadavg")};
  for (HostSource pressure :
       {HostSource::kCpuPressure, HostSource::kMemoryPressure,
        HostSource::kIoPressure}) {
    of(pressure) = {root.Path("/proc/pressure")};
  }
  of(HostSource::kCgroup) = {own.Path("/proc/self"),
                             own.Path("/sys/fs/cgroup")};
  of(HostSource::kDisks) = {root.Path("/proc/diskstats"),
                            root.Path("/sys/block"), root.Path("/sys/class"),
                            root.Path("/sys/devices")};
  of(HostSource::kNetwork) = {root.Path("/proc/1/net"), root.Path("/proc/net"),
                              root.Path("/sys/class"),
                              root.Path("/sys/devices")};
  of(HostSource::kSensors) = {root.Path("/sys/class")};
  of(HostSource::kOwnUse) = {"/proc/self", absl::StrCat("/proc/", getppid())};
  for (absl::string_view path : kMountInfos)
    of(HostSource::kMounts).push_back(root.Path(path));
  return paths;
}

}  // namespace

bool HostMounts::IsRemote(absl::string_view path) const {
  return std::any_of(
      remote_points.begin(), remote_points.end(),
      [&](absl::string_view point) { return IsWithin(path, point); });
}

HostReader::HostReader(std::string root, bool here, Statvfs statvfs,
                       absl::Duration look_again)
    : root_(std::move(root), look_again),
      self_(""),
      own_(here ? root_ : self_),
      own_usage_(self_, getppid()),  // the broker starts the front
      is_real_statvfs_(!statvfs),
      statvfs_(statvfs ? std::move(statvfs) : RealStatvfs),
      kernel_(PathsOfSources(root_, own_)) {}

bool HostReader::IsSpaceQuick(const Mount& mount) const {
  static constexpr absl::string_view kTypes[] = {"ext2", "ext3", "ext4",
                                                 "tmpfs"};
  return is_real_statvfs_ && std::find(std::begin(kTypes), std::end(kTypes),
                                       mount.type) != std::end(kTypes);
}

HostReader::Turn HostReader::TryTurn(HostSource source, const Quick& quick) {
  if (quick == nullptr || !(*quick)[static_cast<size_t>(source)]) return {};
  Turn turn(turns_[static_cast<size_t>(source)], std::try_to_lock);
  if (!turn.owns_lock()) return {};
  const absl::Duration now = MonotonicNow();
  switch (source) {
    case HostSource::kHost:
      return facts_.Knows("", now) ? std::move(turn) : Turn();
    case HostSource::kVisibility:
      return visibility_.Knows("", now) ? std::move(turn) : Turn();
    case HostSource::kSensors:
      // The chips themselves may be behind a bus that is stuck.
      return has_sensors_.Knows("", now) && !HasSensors(now) ? std::move(turn)
                                                             : Turn();
    case HostSource::kMounts:
      for (absl::string_view path : kMountInfos) {
        if (mounts_.has_value() && !root_.PinnedHasChanged(path)) return turn;
      }
      // The kernel tells of a change once: the next reader must not ask.
      mounts_.reset();
      return {};
    default:
      return turn;
  }
}

HostReader::Ref<CpuStat> HostReader::ReadCpu() {
  absl::StatusOr<CpuStat> stat = sources_.Read("/proc/stat", ParseCpuStat);
  return stat.ok() ? MakeSample(*std::move(stat)) : nullptr;
}

HostReader::Ref<std::vector<DiskCounters>> HostReader::ReadDisks() {
  // Some containers have none (gVisor, OpenVZ).
  absl::StatusOr<std::string> text =
      sources_.Read("/proc/diskstats", Sources::Presence::kPerhaps);
  return text.ok() ? MakeSample(ParseDiskStats(*text)) : nullptr;
}

HostReader::Ref<std::vector<InterfaceCounters>> HostReader::ReadNetwork() {
  // /proc/net is that of the reader. Where the host's files are below a
  // directory, the reader is in a container, and the host's first process is
  // not.
  absl::StatusOr<std::string> text =
      absl::NotFoundError("the host's files are not below a directory");
  if (!root_.Path("").empty()) text = root_.ReadPinned("/proc/1/net/dev");
  if (!text.ok()) text = sources_.Read("/proc/net/dev");
  return text.ok() ? MakeSample(ParseNetDev(*text)) : nullptr;
}

HostReader::Ref<ProcessList> HostReader::ReadProcesses() {
  return MakeSample(ReadProcessList(root_));
}

HostReader::Ref<absl::Duration> HostReader::ReadSelf() {
  std::optional<absl::Duration> time = own_usage_.CpuTime();
  return time.has_value() ? MakeSample(*time) : nullptr;
}

std::optional<std::pair<MemInfo, std::optional<ArcStats>>>
HostReader::ReadMemory() {
  absl::StatusOr<MemInfo> info = sources_.Read("/proc/meminfo", ParseMemInfo);
  if (!info.ok()) return std::nullopt;
  const bool has_arc = has_arc_.Get("", MonotonicNow(), [this] {
    return root_.Exists("/proc/spl/kstat/zfs");
  });
  return std::make_pair(*std::move(info),
                        has_arc ? ReadArc(root_) : std::nullopt);
}

std::optional<LoadAverage> HostReader::ReadLoad() {
  return IfOk(sources_.Read("/proc/loadavg", ParseLoadAverage));
}

BootClocks HostReader::ReadClocks() {
  BootClocks clocks;
  clocks.since_boot = SinceBoot(root_);
  absl::StatusOr<double> uptime = sources_.Read("/proc/uptime", ParseUptime);
  if (uptime.ok()) clocks.uptime = absl::Seconds(*uptime);
  return clocks;
}

v1::Host HostReader::ReadHost() {
  v1::Host host = *facts_.Get("", MonotonicNow(), [this] {
    return std::make_shared<const v1::Host>(ReadHostFacts(root_));
  });
  absl::StatusOr<std::string> hostname =
      sources_.Read("/proc/sys/kernel/hostname");
  if (hostname.ok())
    host.set_hostname(ToUtf8(absl::StripAsciiWhitespace(*hostname)));
  absl::MutexLock lock(&mutex_);
  last_host_ = host;
  return host;
}

v1::Host HostReader::last_host() const {
  absl::MutexLock lock(&mutex_);
  return last_host_;
}

std::optional<PressureFile> HostReader::ReadPressure(
    absl::string_view resource) {
  return IfOk(sources_.Read(absl::StrCat("/proc/pressure/", resource),
                            ParsePressure, Sources::Presence::kPerhaps));
}

Visibility HostReader::ReadVisibility() {
  const Visibility visibility = visibility_.Get(
      "", MonotonicNow(), [this] { return FindVisibility(root_, self_); });
  sources_.Note("processes", visibility.processes);
  sources_.Note("files of /proc", visibility.files);
  return visibility;
}

CgroupFiles HostReader::ReadOwnCgroup() { return cgroup_.Read(own_); }

HostMounts HostReader::ReadMounts() {
  for (absl::string_view path : kMountInfos) {
    // The list is long and changes rarely, and the kernel tells when it does.
    if (mounts_.has_value() && !root_.PinnedHasChanged(path)) return *mounts_;
    // An overlay's line names all of its layers.
    absl::StatusOr<std::string> text =
        root_.ReadPinned(path, /*longest_line=*/0);
    if (text.ok() || path == *std::rbegin(kMountInfos))
      sources_.Note("mountinfo", text.status());
    if (!text.ok()) continue;
    const std::vector<Mount> mounts = ParseMountInfo(*text);
    mounts_.emplace();
    for (const Mount& mount : mounts) {
      if (IsRemoteType(mount.type))
        mounts_->remote_points.push_back(mount.mount_point);
    }
    mounts_->selected = SelectMounts(mounts, ReadMountIntents(root_, mounts));
    return *mounts_;
  }
  return {};
}

std::vector<v1::Temperature> HostReader::ReadTemperatures() {
  if (!HasSensors(MonotonicNow())) return {};
  return agent::ReadTemperatures(root_);
}

bool HostReader::HasSensors(absl::Duration now) {
  return has_sensors_.Get("", now,
                          [this] { return root_.Exists("/sys/class/hwmon"); });
}

bool HostReader::IsWholeDisk(const std::string& name) {
  return whole_disks_.Get(name, MonotonicNow(), [&] {
    return agent::IsWholeDisk(name, ReadBlockDeviceFacts(root_, name));
  });
}

}  // namespace specula::agent
