#include "agent/metrics/own_usage.h"

#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace specula::agent {
namespace {

std::optional<absl::Duration> Read(clockid_t clock) {
  timespec time;
  if (clock_gettime(clock, &time) != 0) return std::nullopt;
  return absl::DurationFromTimespec(time);
}

int64_t ResidentBytesOf(ProcRoot& self, absl::string_view process) {
  absl::StatusOr<std::string> statm =
      self.ReadPinned(absl::StrCat("/proc/", process, "/statm"));
  int64_t pages = 0;
  if (!statm.ok()) return 0;
  const std::vector<absl::string_view> fields = absl::StrSplit(*statm, ' ');
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

}  // namespace

std::optional<absl::Duration> OwnUsage::CpuTime() const {
  std::optional<absl::Duration> front = Read(CLOCK_PROCESS_CPUTIME_ID);
  if (broker_ <= 0 || !front.has_value()) return front;
  // Of any process, whoever it belongs to and whatever of /proc is hidden.
  clockid_t clock;
  if (clock_getcpuclockid(broker_, &clock) != 0) return std::nullopt;
  std::optional<absl::Duration> broker = Read(clock);
  if (!broker.has_value()) return std::nullopt;
  return *front + *broker;
}

int64_t OwnUsage::ResidentBytes() const {
  const int64_t front = ResidentBytesOf(self_, "self");
  if (broker_ <= 0) return front;
  return front + ResidentBytesOf(self_, absl::StrCat(broker_));
}

}  // namespace specula::agent
