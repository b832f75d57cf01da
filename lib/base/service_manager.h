#ifndef SPECULA_LIB_BASE_SERVICE_MANAGER_H_
#define SPECULA_LIB_BASE_SERVICE_MANAGER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// What a service tells systemd, which the unit waits for with Type=notify. The
// protocol of sd_notify(3) is one datagram; libsystemd itself cannot be linked
// into a static program.
namespace specula {

// Sends assignments, one a line: "READY=1\nSTATUS=serving". Nothing happens
// where no service manager listens (NOTIFY_SOCKET is not set). Never blocks:
// a manager that does not read is an error. Thread-safe.
absl::Status NotifyServiceManager(absl::string_view state);

// How often the manager wants to hear "WATCHDOG=1" at least, after which it
// takes this process for hung; absent where it does not watch. To be called in
// the process that the manager started.
std::optional<absl::Duration> ServiceWatchdogInterval();

}  // namespace specula

#endif  // SPECULA_LIB_BASE_SERVICE_MANAGER_H_
