#ifndef SPECULA_SHIM_REPLY_H_
#define SPECULA_SHIM_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "shim/error.h"

// The payloads of replies, byte for byte as PROTOCOL.md has them. Pure.
namespace specula::shim {

inline constexpr absl::string_view kAuthReply = "OK agent";
inline constexpr absl::string_view kPingReply = "PONG";
inline constexpr absl::string_view kKillReply = "KILL_OK";
inline constexpr absl::string_view kStopReply = "STOP_OK";
inline constexpr absl::string_view kByeReply = "OK bye";

// "ERR bad_frame".
std::string ErrorReply(Error error);

// Used and total bytes of memory or disk.
struct Extent {
  int64_t used_bytes = 0;
  int64_t total_bytes = 0;
};

// What STATUS tells; what is absent was not measured and is shown as "-".
struct Figures {
  std::optional<double> cpu;  // 0 to 1
  std::optional<Extent> memory;
  std::optional<Extent> disk;
};

// "STATUS cpu=23% mem=1.2GiB/4.0GiB disk=9.8GiB/30GiB"
std::string StatusReply(const Figures& figures);
// "CPU 23%"
std::string CpuReply(double utilization);
// "MEM 1.2GiB/4.0GiB"
std::string MemReply(const Extent& memory);
// "DISK 9.8GiB/30GiB"
std::string DiskReply(const Extent& disk);

// "START_OK pid=42"
std::string StartReply(int64_t pid);

// What stands in a frame before the bytes of a chunk: LENGTH, newline and
// "OUT <sid> ". The chunk is at most kMostChunkBytes.
std::string OutHeader(int64_t sid, size_t chunk_bytes);
inline constexpr size_t kMostChunkBytes = 256 << 10;

// "OUT_END <sid> <exit_code>"
std::string OutEndReply(int64_t sid, int exit_code);
// "EXEC_END code=<exit_code>"
std::string ExecEndReply(int exit_code);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_REPLY_H_
