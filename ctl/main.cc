// specula, the controller.
#include <malloc.h>
#include <signal.h>

#include "absl/synchronization/mutex.h"
#include "ctl/app.h"
#include "ctl/exit_code.h"
#include "lib/base/standard_fds.h"

int main(int argc, char** argv) {
  if (!specula::StandardFdsAreSafe()) return specula::ctl::kExitNoResult;
  mallopt(M_ARENA_MAX, 2);  // thousands of channels on few threads
#ifdef NDEBUG
  // Debian's abseil looks for deadlock cycles in every lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  signal(SIGPIPE, SIG_IGN);
  return specula::ctl::RunApp(argc, argv);
}
