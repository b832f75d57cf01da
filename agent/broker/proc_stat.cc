#include "agent/broker/proc_stat.h"

#include <dirent.h>
#include <errno.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr uint64_t kKernelThreadFlag = 0x00200000;  // PF_KTHREAD

// Fields after the name, counted from 0: proc(5) counts state as 3.
constexpr size_t kState = 0, kParent = 1, kSession = 3, kFlags = 6,
                 kStartTicks = 19;

absl::Status NoSuchProcess(int64_t pid) {
  return absl::NotFoundError(absl::StrCat("process ", pid, ": not there"));
}

}  // namespace

absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text) {
  const auto odd = [] {
    return absl::InvalidArgumentError("not a /proc/PID/stat");
  };
  // The name is whatever the process chose, with spaces and brackets in it.
  const size_t open = text.find(" (");
  const size_t close = text.rfind(") ");
  if (open == text.npos || close == text.npos || close < open) return odd();
  ProcStat stat;
  if (!absl::SimpleAtoi(text.substr(0, open), &stat.pid) || stat.pid <= 0)
    return odd();
  const std::vector<absl::string_view> fields = absl::StrSplit(
      text.substr(close + 2), absl::MaxSplits(' ', kStartTicks + 1));
  uint64_t flags = 0;
  if (fields.size() <= kStartTicks || fields[kState].size() != 1 ||
      !absl::SimpleAtoi(fields[kParent], &stat.parent) ||
      !absl::SimpleAtoi(fields[kSession], &stat.session) ||
      !absl::SimpleAtoi(fields[kFlags], &flags) ||
      !absl::SimpleAtoi(absl::StripAsciiWhitespace(fields[kStartTicks]),
                        &stat.start_ticks)) {
    return odd();
  }
  if (stat.parent < 0 || stat.start_ticks < 0) return odd();
  stat.state = fields[kState][0];
  stat.kernel_thread = (flags & kKernelThreadFlag) != 0;
  return stat;
}

absl::StatusOr<ProcStat> ReadProcStat(int64_t pid) {
  auto text = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  // ESRCH comes when it ends between open and read.
  if (!text.ok()) return NoSuchProcess(pid);
  return ParseProcStat(*text);
}

absl::StatusOr<int64_t> ReadThreadGroup(int64_t id) {
  auto text = ReadFile(absl::StrCat("/proc/", id, "/status"));
  if (!text.ok()) return NoSuchProcess(id);
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    int64_t group;
    if (absl::ConsumePrefix(&line, "Tgid:") && absl::SimpleAtoi(line, &group))
      return group;
  }
  return NoSuchProcess(id);
}

std::vector<ProcStat> ReadAllProcStats() {
  std::vector<ProcStat> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"),
                                                      &closedir);
  if (directory == nullptr) return all;
  while (const dirent* entry = readdir(directory.get())) {
    int64_t pid;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    if (auto stat = ReadProcStat(pid); stat.ok()) all.push_back(*stat);
  }
  std::sort(all.begin(), all.end(),
            [](const ProcStat& a, const ProcStat& b) { return a.pid < b.pid; });
  return all;
}

absl::StatusOr<std::vector<int64_t>> ReadOwnChildren() {
  // Needs CONFIG_PROC_CHILDREN.
  auto text = ReadFile("/proc/thread-self/children");
  if (!text.ok()) return absl::UnavailableError(text.status().message());
  std::vector<int64_t> children;
  for (absl::string_view field :
       absl::StrSplit(*text, ' ', absl::SkipWhitespace())) {
    int64_t pid;
    if (absl::SimpleAtoi(field, &pid)) children.push_back(pid);
  }
  return children;
}

std::string ReadEnvironmentOf(int64_t pid, absl::string_view name) {
  constexpr size_t kMaxEnvironmentBytes = 4 << 20;
  auto text =
      ReadFile(absl::StrCat("/proc/", pid, "/environ"), kMaxEnvironmentBytes);
  if (!text.ok()) return "";
  for (absl::string_view variable : absl::StrSplit(*text, '\0')) {
    if (absl::ConsumePrefix(&variable, name) &&
        absl::ConsumePrefix(&variable, "=")) {
      return std::string(variable);
    }
  }
  return "";
}

std::string ReadBootId() {
  auto text = ReadFile("/proc/sys/kernel/random/boot_id");
  if (!text.ok()) return "";
  return std::string(absl::StripAsciiWhitespace(*text));
}

}  // namespace specula::agent
