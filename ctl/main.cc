// specula, the controller.
#include <grpc/support/log.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "absl/synchronization/mutex.h"
#include "ctl/app.h"
#include "ctl/exit_code.h"
#include "lib/base/standard_fds.h"

namespace {

// A socket for each host: the usual 1024 are soon gone. Nothing is started from
// here that could not bear more.
void RaiseOpenFiles() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  if (!specula::StandardFdsAreSafe()) return specula::ctl::kExitNoResult;
  mallopt(M_ARENA_MAX, 2);  // thousands of channels on few threads
  // Room in advance, which costs nothing until it is used: else the kernel is
  // asked for every 128 kB.
  mallopt(M_TOP_PAD, 16 << 20);
#ifdef NDEBUG
  // Debian's abseil looks for deadlock cycles in every lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  // gRPC's own lines would break into tables and screens; what fails is told
  // as the ending of a call.
  gpr_set_log_function([](gpr_log_func_args*) {});
  signal(SIGPIPE, SIG_IGN);
  RaiseOpenFiles();
  const int code = specula::ctl::RunApp(argc, argv);
  // Connections may be open and gRPC's threads at work on them: nothing that
  // they use is destroyed.
  fflush(nullptr);
  _exit(code);
}
