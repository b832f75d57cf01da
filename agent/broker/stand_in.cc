#include "agent/broker/stand_in.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/status/status.h"
#include "lib/base/log.h"

namespace specula::agent {
namespace {

// Waits for the end of `child`, which may be passed signals meanwhile.
int StandInFor(pid_t child, const sigset_t& signals) {
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGCHLD) {
      kill(child, signal);
      continue;
    }
    // As the first process of its container it is given orphans as well.
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended != child) continue;
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

}  // namespace

int RunBehindStandIn(const std::function<int()>& run) {
  sigset_t signals, before;
  sigemptyset(&signals);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, signal);
  // Before the fork, so that none is lost in between.
  sigprocmask(SIG_BLOCK, &signals, &before);
  signal(SIGCHLD, SIG_DFL);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    Log(LogLevel::kError, "cannot start",
        {{"reason", absl::ErrnoToStatus(errno, "fork()").message()}});
    return 1;
  }
  if (child > 0) return StandInFor(child, signals);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int code = getppid() == parent ? run() : 1;
  fflush(nullptr);
  FlushLog();
  _exit(code);
}

}  // namespace specula::agent
