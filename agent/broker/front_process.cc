#include "agent/broker/front_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/broker/oom_score.h"
#include "lib/base/log.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(100);
constexpr absl::Duration kLongestWait = absl::Seconds(10);
constexpr absl::Duration kStable = absl::Seconds(60);

absl::Status BecomeUser(const User& user) {
  if (setgroups(user.groups.size(), user.groups.data()) != 0 ||
      setresgid(user.gid, user.gid, user.gid) != 0 ||
      setresuid(user.uid, user.uid, user.uid) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("become user ", user.name));
  }
  // The way back must really be closed before a byte of a stranger's is read.
  if (user.uid != 0 && setuid(0) == 0) {
    return absl::InternalError("the front could become root again");
  }
  return absl::OkStatus();
}

absl::Status PrepareFront(const std::optional<User>& user, pid_t broker) {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (user) {
    if (absl::Status status = BecomeUser(*user); !status.ok()) return status;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
  }
  // After the change of user, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != broker)
    return absl::UnavailableError("the broker is gone already");
  return absl::OkStatus();
}

}  // namespace

absl::Duration Backoff::Next(absl::Duration lived) {
  const bool anew = lived >= kStable || last_ == absl::ZeroDuration();
  last_ = anew ? kFirstWait : std::min(last_ * 2, kLongestWait);
  return last_;
}

absl::StatusOr<pid_t> StartFront(const RunFront& run,
                                 const std::optional<User>& user,
                                 const HostNamespaces* entered,
                                 UniqueFd channel) {
  const pid_t broker = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork(front)");
  if (pid > 0) return pid;

  TakeOwnOomScore();
  // While its descriptors are still there.
  const absl::Status left =
      entered == nullptr ? absl::OkStatus() : entered->Leave();
  constexpr int kChannel = 3;
  UniqueFd kept(kChannel);
  if (channel.get() == kChannel) {
    static_cast<void>(channel.Release());
  } else if (dup3(channel.get(), kChannel, O_CLOEXEC) < 0) {
    _exit(1);
  }
  if (close_range(kChannel + 1, ~0U, 0) != 0) {
    for (int fd = kChannel + 1, end = static_cast<int>(sysconf(_SC_OPEN_MAX));
         fd < end; ++fd) {
      close(fd);
    }
  }
  static_cast<void>(channel.Release());
  absl::Status status = left;
  if (status.ok()) status = PrepareFront(user, broker);
  if (!status.ok()) {
    Log(LogLevel::kError, "the front cannot start",
        {{"reason", status.message()}});
    FlushLog();
    _exit(1);
  }
  // Not exit: the broker's destructors and buffers are not the front's to run.
  const int code = run(std::move(kept));
  fflush(nullptr);
  FlushLog();
  _exit(code);
}

}  // namespace specula::agent
