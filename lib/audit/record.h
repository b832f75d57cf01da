#ifndef SPECULA_LIB_AUDIT_RECORD_H_
#define SPECULA_LIB_AUDIT_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/rpc/identity.h"

// The audit log is a file of JSON Lines, one record on each:
//
//   {"seq":7,"prev":"<64 hex>","time":"2026-11-20T12:00:00.000001Z",
//    "stage":"started","rpc":"Exec","caller":"spiffe://…","argv":["id"],…}
//
// The lines form a chain. "seq" counts from 1 on without a hole; "prev" is the
// SHA-256 of the bytes of the line before, without its newline, and 64 zeros
// where seq is 1. When the log is rotated the chain goes on: the first line of
// the new file has the next seq and the hash of the last line of the old one.
//
// A line that a crash cut off is no record and has no seq of its own. The next
// writer ends it with a newline and tells of it in a record of stage "gap",
// whose "torn_bytes" is the number of bytes since the last whole line (without
// the newline that ends them) and whose "prev" is the hash of these bytes.
//
// The chain shows every line that was changed, removed, added or moved, except
//   - by someone who wrote all the lines after it anew as well, and
//   - at the very end: that lines were cut off there, or that the last one was
//     changed, is seen only by comparing with a hash kept elsewhere.
// Checking it takes no more than sha256sum; see verify.h.
namespace specula::audit {

// Of what was done a record tells, and of what became of the log itself.
enum class Stage {
  kReceived,  // a call came and was let in
  kStarted,   // what it asks for is about to be done
  kEnded,     // it is over
  kDenied,    // a call or a handshake was refused
  kGap,       // records may be missing here, or bytes are torn; says why
  kOpened,    // a writer opened the log; pid and version are the writer's own
  kClosed,    // it closed it in order
};

// Lower-case word of a stage: "received".
absl::string_view StageName(Stage stage);

// What is told, in the order of its keys in the line. What is empty or absent
// is not written. Values of environment variables and standard input have no
// field, so that they cannot be told; a secret in argv would be. (Each member
// has a {} so that gcc lets a caller name only some.)
struct Record {
  // InfinitePast: the Writer puts the time of writing.
  absl::Time time = absl::InfinitePast();
  Stage stage = Stage::kReceived;
  // Of kGap only: see above; and how many records could not be written.
  std::optional<int64_t> torn_bytes = {};
  std::optional<int64_t> lost = {};

  std::string id = {};         // the same in all records of one call
  std::string rpc = {};        // "Exec"
  std::string caller = {};     // URI of the certificate
  std::string on_behalf = {};  // of whom the caller, a shim, says that it acts
  std::optional<Role> role = {};
  std::string serial = {};  // of the certificate
  std::string peer = {};    // address

  std::string shell = {};                   // a line for sh
  std::vector<std::string> argv = {};       // or a program and its arguments
  std::vector<std::string> env_names = {};  // names only
  std::string cwd = {};
  std::string user = {};
  std::string path = {};
  std::optional<int64_t> pid = {};
  std::optional<int64_t> start_ticks = {};
  std::optional<int> sent_signal = {};  // what Kill sends
  std::optional<bool> tree = {};        // also to all below

  std::optional<int> exit_code = {};
  std::optional<int> signal = {};  // what it died by
  std::optional<bool> drained = {};
  std::optional<bool> timed_out = {};
  std::optional<bool> truncated = {};
  std::optional<int64_t> killed_count = {};
  std::optional<int64_t> bytes_out = {};
  std::optional<absl::Duration> duration = {};  // "duration_us"
  std::optional<absl::StatusCode> status_code = {};
  std::string error = {};
  // So many of the same kind came before and were not written.
  std::optional<int64_t> suppressed = {};
  std::string version = {};
};

// How much of a text is told, in bytes. Names of the keys that were cut are in
// "cut"; of shell and argv there are then also "…_bytes" and "…_sha256" of the
// whole, where each argument counts with a NUL after it, as in
// /proc/PID/cmdline.
inline constexpr size_t kMaxCommandBytes = 4096;  // shell; argv
inline constexpr size_t kMaxPathBytes = 4096;     // path; cwd
inline constexpr size_t kMaxNamesBytes = 1024;    // env_names
inline constexpr size_t kMaxTextBytes = 512;      // any other

// No line is longer, whatever the record holds.
inline constexpr size_t kMaxLineBytes = 262144;

// No log has more lines; whoever adds one to a seq need not fear an overflow.
inline constexpr int64_t kMaxSeq = 999'999'999'999'999'999;

// The prev of the first line.
inline constexpr absl::string_view kNoPrevious =
    "0000000000000000000000000000000000000000000000000000000000000000";

// The line of a record, without its newline: valid UTF-8 and valid JSON, keys
// in the order above. `prev` is 64 hex digits. Pure.
//
// No byte of a text can end the line or the string it is in. Control characters
// (C0, DEL, C1) and what moves text about (bidirectional marks, line
// separators, byte order mark) are \u escapes. A byte NN that is not part of
// valid UTF-8 is \udcNN, which valid text cannot hold, so that the exact bytes
// can be had back; in Python: value.encode("utf-8", "surrogateescape").
std::string FormatLine(const Record& record, int64_t seq,
                       absl::string_view prev);

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_RECORD_H_
