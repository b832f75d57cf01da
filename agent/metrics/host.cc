#include "agent/metrics/host.h"

#include <sys/utsname.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/proc/parse.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"

namespace specula::agent {
namespace {

std::string ReadLine(const ProcRoot& root, absl::string_view path) {
  absl::StatusOr<std::string> text = root.Read(path);
  if (!text.ok()) return "";
  return ToUtf8(absl::StripAsciiWhitespace(*text));
}

std::optional<int64_t> ReadNumber(const ProcRoot& root,
                                  absl::string_view path) {
  absl::StatusOr<std::string> text = root.Read(path);
  int64_t value = 0;
  if (!text.ok() ||
      !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value)) {
    return std::nullopt;
  }
  return value;
}

// hwmon gives thousandths of a degree.
std::optional<double> ReadCelsius(const ProcRoot& root,
                                  absl::string_view path) {
  std::optional<int64_t> millidegrees = ReadNumber(root, path);
  if (!millidegrees.has_value()) return std::nullopt;
  const double celsius = static_cast<double>(*millidegrees) / 1000;
  if (celsius <= 0 || celsius >= 200) return std::nullopt;
  return celsius;
}

absl::string_view BaseName(absl::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// v1 and the "unlimited" of some kernels: the greatest page-aligned int64.
constexpr int64_t kNoMemoryLimit = int64_t{1} << 62;

template <typename T>
void TakeLess(const std::optional<T>& candidate, std::optional<T>& least) {
  if (candidate.has_value() && (!least.has_value() || *candidate < *least)) {
    least = candidate;
  }
}

std::optional<int64_t> MemoryLimit(std::optional<int64_t> bytes) {
  return bytes.has_value() && *bytes < kNoMemoryLimit ? bytes : std::nullopt;
}

// Files of the own group are read at every Status, so they are kept open.
std::string ReadPinnedLine(ProcRoot& root, absl::string_view path) {
  absl::StatusOr<std::string> text = root.ReadPinned(path);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

// Below 0 is only the "none" of a quota.
std::optional<int64_t> ReadPinnedNumber(ProcRoot& root,
                                        absl::string_view path) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(ReadPinnedLine(root, path), &value) || value < 0)
    return std::nullopt;
  return value;
}

std::optional<double> UnifiedQuota(ProcRoot& root,
                                   const std::string& directory) {
  const std::string text =
      ReadPinnedLine(root, absl::StrCat(directory, "/cpu.max"));
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  double quota = 0;
  double period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) ||
      !absl::SimpleAtod(words[1], &period) || period <= 0) {
    return std::nullopt;  // "max 100000" among them
  }
  return quota / period;
}

std::optional<int> CpusetCount(ProcRoot& root, const std::string& path) {
  const std::string list = ReadPinnedLine(root, path);
  if (list.empty()) return std::nullopt;
  absl::StatusOr<int> count = CountCpuList(list);
  return count.ok() ? std::optional<int>(*count) : std::nullopt;
}

// `usage` is the name of the file that says how much the group uses.
void ReadMemoryUse(ProcRoot& root, const std::string& directory,
                   absl::string_view usage, CgroupFiles& limits) {
  limits.memory_usage = ReadPinnedNumber(root, absl::StrCat(directory, usage));
  if (!limits.memory_usage.has_value()) return;
  absl::StatusOr<std::string> stat =
      root.ReadPinned(absl::StrCat(directory, "/memory.stat"));
  if (stat.ok()) limits.inactive_file = ParseInactiveFile(*stat);
}

}  // namespace

v1::Host ReadHostFacts(const ProcRoot& root) {
  v1::Host host;
  host.set_hostname(ReadLine(root, "/proc/sys/kernel/hostname"));
  host.set_kernel(ReadLine(root, "/proc/sys/kernel/osrelease"));
  host.set_boot_id(ReadLine(root, "/proc/sys/kernel/random/boot_id"));
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    absl::StatusOr<std::string> text = root.Read(path);
    if (text.ok()) {
      host.set_os(ToUtf8(ParseOsName(*text)));
      break;
    }
  }
  absl::StatusOr<std::string> cpuinfo = root.Read("/proc/cpuinfo");
  if (cpuinfo.ok()) host.set_cpu_model(ToUtf8(ParseCpuModel(*cpuinfo)));
  utsname names;
  if (uname(&names) == 0) host.set_architecture(names.machine);
  return host;
}

std::vector<v1::Temperature> ReadTemperatures(const ProcRoot& root) {
  // Ordered by name, then by the stable path of the device.
  std::map<std::pair<std::string, std::string>, v1::Temperature> found;
  absl::StatusOr<std::vector<std::string>> chips =
      root.List("/sys/class/hwmon");
  if (!chips.ok()) return {};
  for (const std::string& chip : *chips) {
    const std::string directory = absl::StrCat("/sys/class/hwmon/", chip);
    std::string chip_name = ReadLine(root, absl::StrCat(directory, "/name"));
    if (chip_name.empty()) chip_name = chip;
    absl::StatusOr<std::string> device =
        root.ReadLink(absl::StrCat(directory, "/device"));
    const std::string device_name =
        device.ok() ? ToUtf8(BaseName(*device)) : std::string(chip);
    absl::StatusOr<std::vector<std::string>> files = root.List(directory);
    if (!files.ok()) continue;
    for (const std::string& file : *files) {
      if (!absl::StartsWith(file, "temp") || !absl::EndsWith(file, "_input"))
        continue;
      const std::string sensor = file.substr(0, file.size() - 6);
      const std::string prefix = absl::StrCat(directory, "/", sensor);
      std::optional<double> celsius =
          ReadCelsius(root, absl::StrCat(prefix, "_input"));
      if (!celsius.has_value()) continue;
      std::string label = ReadLine(root, absl::StrCat(prefix, "_label"));
      if (label.empty()) label = sensor;
      v1::Temperature temperature;
      temperature.set_celsius(*celsius);
      std::optional<double> critical =
          ReadCelsius(root, absl::StrCat(prefix, "_crit"));
      if (critical.has_value()) temperature.set_critical_celsius(*critical);
      found[{absl::StrCat(chip_name, "/", label),
             absl::StrCat(device_name, "/", sensor)}] = std::move(temperature);
    }
  }
  std::vector<v1::Temperature> temperatures;
  for (auto place = found.begin(); place != found.end(); ++place) {
    const std::string& name = place->first.first;
    const bool shared =
        (place != found.begin() && std::prev(place)->first.first == name) ||
        (std::next(place) != found.end() &&
         std::next(place)->first.first == name);
    place->second.set_sensor(
        shared ? absl::StrCat(name, " (", place->first.second, ")") : name);
    temperatures.push_back(place->second);
  }
  return temperatures;
}

OwnCgroup::Places OwnCgroup::Find(const ProcRoot& root,
                                  absl::string_view text) {
  Places places;
  places.unified = root.Exists("/sys/fs/cgroup/cgroup.controllers");
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3 || !absl::StartsWith(fields[2], "/")) continue;
    // A path from outside of the namespace ("/../x") leads nowhere here.
    std::string path(absl::StartsWith(fields[2], "/..") ? "/" : fields[2]);
    if (path == "/") path.clear();
    if (places.unified && fields[0] == "0") {
      while (true) {
        places.unified_directories.push_back(
            absl::StrCat("/sys/fs/cgroup", path));
        if (path.empty()) break;
        path.erase(path.rfind('/'));
      }
      continue;
    }
    for (absl::string_view controller : absl::StrSplit(fields[1], ',')) {
      std::string directory = absl::StrCat("/sys/fs/cgroup/", controller, path);
      // In a container the group is mounted as the root of the hierarchy.
      if (!root.Exists(directory))
        directory = absl::StrCat("/sys/fs/cgroup/", controller);
      if (controller == "cpu") places.cpu_directory = directory;
      if (controller == "memory") places.memory_directory = directory;
      if (controller == "cpuset") places.cpuset_directory = directory;
    }
  }
  return places;
}

CgroupFiles OwnCgroup::Read(ProcRoot& root) {
  CgroupFiles limits;
  const absl::StatusOr<std::string> text =
      root.ReadPinned("/proc/self/cgroup", /*longest_line=*/0);
  if (!text.ok()) return limits;
  const std::shared_ptr<const Places> places = places_.Get(
      *text, MonotonicNow(),
      [&] { return std::make_shared<const Places>(Find(root, *text)); });
  if (places->unified) {
    bool own = true;
    for (const std::string& directory : places->unified_directories) {
      TakeLess(UnifiedQuota(root, directory), limits.cpu_quota);
      TakeLess(MemoryLimit(ReadPinnedNumber(
                   root, absl::StrCat(directory, "/memory.max"))),
               limits.memory_limit);
      if (own) ReadMemoryUse(root, directory, "/memory.current", limits);
      if (!limits.cpuset_count.has_value()) {
        limits.cpuset_count = CpusetCount(
            root, absl::StrCat(directory, "/cpuset.cpus.effective"));
      }
      own = false;
    }
    return limits;
  }
  if (!places->cpu_directory.empty()) {
    std::optional<int64_t> quota = ReadPinnedNumber(
        root, absl::StrCat(places->cpu_directory, "/cpu.cfs_quota_us"));
    std::optional<int64_t> period = ReadPinnedNumber(
        root, absl::StrCat(places->cpu_directory, "/cpu.cfs_period_us"));
    if (quota.value_or(-1) > 0 && period.value_or(0) > 0) {
      limits.cpu_quota =
          static_cast<double>(*quota) / static_cast<double>(*period);
    }
  }
  if (!places->memory_directory.empty()) {
    limits.memory_limit = MemoryLimit(ReadPinnedNumber(
        root,
        absl::StrCat(places->memory_directory, "/memory.limit_in_bytes")));
    if (limits.memory_limit.has_value()) {
      ReadMemoryUse(root, places->memory_directory, "/memory.usage_in_bytes",
                    limits);
    }
  }
  if (!places->cpuset_directory.empty()) {
    limits.cpuset_count = CpusetCount(
        root, absl::StrCat(places->cpuset_directory, "/cpuset.effective_cpus"));
  }
  return limits;
}

bool HasAny(const CgroupFiles& limits) {
  return limits.cpu_quota.has_value() || limits.memory_limit.has_value() ||
         limits.cpuset_count.has_value();
}

void FillCgroup(const CgroupFiles& limits, v1::CgroupLimits* cgroup) {
  if (limits.cpu_quota.has_value()) cgroup->set_cpu_count(*limits.cpu_quota);
  if (limits.cpuset_count.has_value())
    cgroup->set_cpuset_count(*limits.cpuset_count);
  if (limits.memory_limit.has_value())
    cgroup->set_memory_limit_bytes(*limits.memory_limit);
  if (limits.memory_usage.has_value()) {
    // The two are counted at different moments: the cache may seem the greater.
    const int64_t cache =
        std::min(limits.inactive_file.value_or(0), *limits.memory_usage);
    cgroup->set_memory_used_bytes(*limits.memory_usage - cache);
    if (limits.inactive_file.has_value()) cgroup->set_memory_cache_bytes(cache);
  }
}

}  // namespace specula::agent
