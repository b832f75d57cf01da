#ifndef SPECULA_AGENT_SLOW_KINDS_H_
#define SPECULA_AGENT_SLOW_KINDS_H_

#include "lib/base/slow_calls.h"

namespace specula::agent {

// What of the front's work may hang, apart by what it may hang on. The front's
// loop and gRPC's threads touch sockets, pipes and timers, and what the kernel
// makes of its own memory (see KernelFiles); everything else that touches a
// path or a file goes through one SlowCalls with these kinds.
enum SlowKind : int {
  kHostFiles,          // /proc and /sys of the host as a whole (lxcfs)
  kProcessFiles,       // /proc/PID
  kSensors,            // chips behind a stuck bus
  kLocalFilesystems,   // statvfs
  kRemoteFilesystems,  // statvfs of network file systems, FUSE and below them
  kTails,              // followed files and the way to them
  kAuditLog,
  kTlsFiles,
};

// The front's: what is sampled shares a lane, so that a Status takes one
// wake-up; the others have their own, so that they do not wait for it.
inline SlowCalls::Options FrontSlowCalls() {
  SlowCalls::Options options;
  options.kinds = {
      {.lane = 0, .most_stuck = 32},  // kHostFiles
      {.lane = 0, .most_stuck = 16},  // kProcessFiles
      {.lane = 0, .most_stuck = 4},   // kSensors
      {.lane = 0, .most_stuck = 16},  // kLocalFilesystems
      {.lane = 1, .most_stuck = 32},  // kRemoteFilesystems
      {.lane = 2, .most_stuck = 64},  // kTails
      {.lane = 3, .most_stuck = 1},   // kAuditLog
      {.lane = 4, .most_stuck = 2},   // kTlsFiles
  };
  return options;
}

}  // namespace specula::agent

#endif  // SPECULA_AGENT_SLOW_KINDS_H_
