#include "shim/reply.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::shim {
namespace {

absl::string_view Word(Error error) {
  switch (error) {
    case Error::kBadFrame:
      return "bad_frame";
    case Error::kTooLarge:
      return "too_large";
    case Error::kTooSlow:
      return "too_slow";
    case Error::kBadRequest:
      return "bad_request";
    case Error::kUnknownCommand:
      return "unknown_command";
    case Error::kUnauthorized:
      return "unauthorized";
    case Error::kDenied:
      return "denied";
    case Error::kBusy:
      return "busy";
    case Error::kUnavailable:
      return "unavailable";
    case Error::kExecFailed:
      return "exec_failed";
    case Error::kStartFailed:
      return "start_failed";
    case Error::kKillFailed:
      return "kill_failed";
    case Error::kTailFailed:
      return "tail_failed";
    case Error::kStopFailed:
      return "stop_failed";
  }
  return "unavailable";
}

std::string Percent(double utilization) {
  return absl::StrCat(std::lround(std::clamp(utilization, 0.0, 1.0) * 100),
                      "%");
}

std::string UsedOfTotal(const Extent& extent) {
  return absl::StrCat(FormatBytes(extent.used_bytes), "/",
                      FormatBytes(extent.total_bytes));
}

}  // namespace

std::string ErrorReply(Error error) {
  return absl::StrCat("ERR ", Word(error));
}

std::string StatusReply(const Figures& figures) {
  auto extent = [](const std::optional<Extent>& known) {
    return known.has_value() ? UsedOfTotal(*known) : "-";
  };
  return absl::StrCat(
      "STATUS cpu=", figures.cpu.has_value() ? Percent(*figures.cpu) : "-",
      " mem=", extent(figures.memory), " disk=", extent(figures.disk));
}

std::string CpuReply(double utilization) {
  return absl::StrCat("CPU ", Percent(utilization));
}

std::string MemReply(const Extent& memory) {
  return absl::StrCat("MEM ", UsedOfTotal(memory));
}

std::string DiskReply(const Extent& disk) {
  return absl::StrCat("DISK ", UsedOfTotal(disk));
}

std::string StartReply(int64_t pid) {
  return absl::StrCat("START_OK pid=", pid);
}

std::string OutHeader(int64_t sid, size_t chunk_bytes) {
  const std::string words = absl::StrCat("OUT ", sid, " ");
  return absl::StrCat(words.size() + chunk_bytes, "\n", words);
}

std::string OutEndReply(int64_t sid, int exit_code) {
  return absl::StrCat("OUT_END ", sid, " ", exit_code);
}

std::string ExecEndReply(int exit_code) {
  return absl::StrCat("EXEC_END code=", exit_code);
}

}  // namespace specula::shim
