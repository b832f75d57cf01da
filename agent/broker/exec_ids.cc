#include "agent/broker/exec_ids.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/broker/environment.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(100);
constexpr absl::Duration kPatienceEach = absl::Microseconds(100);

}  // namespace

std::map<int64_t, std::string> ExecIds::Read(
    const std::vector<ProcStat>& processes) {
  for (auto each = out_.begin(); each != out_.end();)
    each = each->second.expired() ? out_.erase(each) : std::next(each);
  std::vector<OffLoop::Call> calls;
  std::map<Process, Found<std::string>> asked;
  // Each is asked once at a time: what is out is passed over.
  for (const ProcStat& process : processes) {
    const Process key = {process.pid, process.start_ticks};
    if (out_.count(key) > 0 || asked.count(key) > 0) continue;
    const Found<std::string> id = asked[key];
    const auto alive = std::make_shared<char>();
    out_[key] = alive;
    calls.push_back({MayHang::kProcesses,
                     absl::StrCat(process.pid, ".", process.start_ticks),
                     [pid = process.pid, id, alive] {
                       id.Set(ReadEnvironmentOf(pid, kExecIdVariable));
                     }});
  }
  std::map<int64_t, std::string> ids;
  if (calls.empty()) return ids;
  const absl::Duration patience =
      kPatience + kPatienceEach * static_cast<int64_t>(calls.size());
  off_loop_->Wait(std::move(calls), std::min(patience, OffLoop::kLimit));
  for (const auto& [process, id] : asked) {
    if (auto found = id.Take(); found && !found->empty())
      ids[process.first] = *std::move(found);
  }
  return ids;
}

}  // namespace specula::agent
