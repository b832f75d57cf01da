#include "ctl/bootstrap/ssh_session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

extern char** environ;

namespace specula::ctl {
namespace {

constexpr absl::Duration kMoment = absl::Milliseconds(100);
constexpr absl::Duration kPatienceAtEnd = absl::Seconds(5);
constexpr size_t kMostErrorBytes = 4096;
constexpr size_t kMostReplies = 1000;
constexpr size_t kMostOutputBytes = 64 << 10;

struct Pipe {
  UniqueFd read, write;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Starts `words` with the given descriptors as 0, 1 and 2; -1: /dev/null.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& words, int in,
                            int out, int err, bool own_group) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int fds[] = {in, out, err};
  for (int i = 0; i < 3; ++i) {
    if (fds[i] < 0) {
      posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    } else {
      posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    }
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // We block and ignore signals that ssh needs.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                         (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("cannot run ", words[0]));
  }
  return pid;
}

void SetNonBlocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SshSession>> SshSession::Start(
    const std::vector<std::string>& words, const std::atomic<bool>& stop,
    bool own_group) {
  ASSIGN_OR_RETURN(Pipe in, MakePipe());
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  ASSIGN_OR_RETURN(pid_t pid, Spawn(words, in.read.get(), out.write.get(),
                                    err.write.get(), own_group));
  for (int fd : {in.write.get(), out.read.get(), err.read.get()}) {
    SetNonBlocking(fd);
  }
  return std::unique_ptr<SshSession>(new SshSession(pid, std::move(in.write),
                                                    std::move(out.read),
                                                    std::move(err.read), stop));
}

SshSession::SshSession(pid_t pid, UniqueFd in, UniqueFd out, UniqueFd err,
                       const std::atomic<bool>& stop)
    : pid_(pid),
      in_(std::move(in)),
      out_(std::move(out)),
      err_(std::move(err)),
      stop_(stop) {}

SshSession::~SshSession() {
  in_.Reset();
  const absl::Time end = SteadyNow() + kPatienceAtEnd;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (SteadyNow() > end) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      return;
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
}

void SshSession::TakeErrors() {
  char buffer[1024];
  while (true) {
    const ssize_t got = read(err_.get(), buffer, sizeof buffer);
    if (got <= 0) {
      if (got == 0) err_.Reset();
      return;
    }
    errors_.append(buffer, static_cast<size_t>(got));
    if (errors_.size() > kMostErrorBytes) {
      errors_.erase(0, errors_.size() - kMostErrorBytes);
    }
  }
}

absl::Status SshSession::Turn(absl::string_view* to_send, absl::Time deadline) {
  if (stop_ && !ignore_stop_) return absl::CancelledError("interrupted");
  if (SteadyNow() > deadline) {
    return absl::DeadlineExceededError("no answer over ssh in time");
  }
  const bool sending = to_send != nullptr && !to_send->empty();
  pollfd fds[] = {{out_.get(), POLLIN, 0},
                  {err_.get(), POLLIN, 0},
                  {sending ? in_.get() : -1, POLLOUT, 0}};
  poll(fds, 3, static_cast<int>(absl::ToInt64Milliseconds(kMoment)));
  if (fds[1].revents != 0) TakeErrors();
  if (fds[0].revents != 0) {
    char buffer[8192];
    const ssize_t got = read(out_.get(), buffer, sizeof buffer);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      TakeErrors();
      return absl::UnavailableError("the ssh session has ended");
    }
    if (got > 0) {
      for (Reply& reply : reader_.Feed({buffer, static_cast<size_t>(got)})) {
        if (reply.key == "hello") greeted_ = true;
        if (replies_.size() < kMostReplies)
          replies_.push_back(std::move(reply));
      }
    }
  }
  if (sending && fds[2].revents != 0) {
    const ssize_t sent = write(in_.get(), to_send->data(),
                               std::min(to_send->size(), size_t{256} << 10));
    if (sent > 0) to_send->remove_prefix(static_cast<size_t>(sent));
    // Why it has ended, its output or its end will tell.
    if (sent < 0 && errno == EPIPE) *to_send = {};
  }
  return absl::OkStatus();
}

absl::Status SshSession::Send(absl::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    absl::Status status = Turn(&bytes, deadline);
    if (status.ok()) continue;
    // The script ends by itself when it cannot go on, and says why before.
    for (const Reply& reply : replies_) {
      if (reply.key == "fail") {
        return absl::FailedPreconditionError(EscapeControls(reply.value));
      }
    }
    return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Reply>> SshSession::Await(absl::string_view name,
                                                     absl::Time deadline) {
  std::vector<Reply> before;
  while (true) {
    while (!replies_.empty()) {
      Reply reply = std::move(replies_.front());
      replies_.pop_front();
      if (reply.key == "fail") {
        return absl::FailedPreconditionError(EscapeControls(reply.value));
      }
      if (reply.key == "done" && reply.value == name) return before;
      before.push_back(std::move(reply));
      if (before.size() > kMostReplies) {
        return absl::ResourceExhaustedError("the host says too much");
      }
    }
    RETURN_IF_ERROR(Turn(nullptr, deadline));
  }
}

std::string SshSession::LastWords() const {
  std::vector<absl::string_view> lines =
      absl::StrSplit(errors_, absl::ByAnyChar("\r\n"), absl::SkipWhitespace());
  if (lines.empty()) return "";
  return EscapeControls(
      absl::StripAsciiWhitespace(lines.back()).substr(0, 400));
}

absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(pid_t pid,
                   Spawn(words, -1, out.write.get(), -1, /*own_group=*/true));
  out.write.Reset();
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(out.read.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() > kMostOutputBytes) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  out.read.Reset();
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return text;
}

}  // namespace specula::ctl
