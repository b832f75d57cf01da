#ifndef SPECULA_AGENT_BROKER_LOG_PUMP_H_
#define SPECULA_AGENT_BROKER_LOG_PUMP_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

// The output of a started program on its way to a log file, with a bound on the
// disk.
//
// Three ways were weighed. The kernel alone, with the file as the program's
// standard output: no bound but RLIMIT_FSIZE, which kills the program. The
// broker itself: it would copy gigabytes while a process is to be killed. So: a
// helper process for each job, forked from the broker, that has nothing but the
// pipe and the file. It survives front and broker, ends when the last writer
// has closed the pipe, and its memory is the broker's, shared.
namespace specula::agent {

// The file that a full log is renamed to; the one before it is lost.
std::string RotatedLogPath(const std::string& path);

// Creates or opens a log for appending, mode 0600.
absl::StatusOr<UniqueFd> OpenLog(const std::string& path);

// Copies `in` to the log until its end. When the log would grow beyond
// `max_bytes` it is rotated first, so that two files of that size are the most
// there ever is. What cannot be written (disk full) is thrown away and counted,
// and a line of its own says so as soon as there is room: the program is never
// held up by its log. Blocks.
void PumpLog(int in, UniqueFd log, const std::string& path, int64_t max_bytes);

// The helper: forks, and in the child runs PumpLog and exits. It ignores TERM,
// INT and HUP, so that the last words of a program that ends with the system
// are kept, and XFSZ, as a log that may not grow is a full disk. From the main
// thread, by OffLoop::Fork. Its pid; the caller waits for it.
absl::StatusOr<pid_t> StartLogPump(int in, int log, const std::string& path,
                                   int64_t max_bytes);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_LOG_PUMP_H_
