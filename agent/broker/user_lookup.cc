#include "agent/broker/user_lookup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/broker/environment.h"
#include "agent/broker/signalling.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr size_t kMaxOutputBytes = 64 << 10;
constexpr size_t kMaxAsking = 16;

// The shell and what it runs, which are one process group. Only while the pidfd
// says that the shell was not waited for: then the number is still the group's.
void KillGroup(const UniqueFd& pidfd, pid_t group) {
  if (SignalPidfd(pidfd.get(), 0)) kill(-group, SIGKILL);
}

}  // namespace

UserLookup::~UserLookup() {
  for (auto& [id, asking] : asking_) {
    loop_->Unwatch(asking.out.get());
    loop_->Cancel(asking.timer);
    KillGroup(asking.pidfd, asking.child->pid());
  }
}

absl::Status UserLookup::Start(const std::string& name, Done done) {
  if (asking_.size() >= kMaxAsking) {
    return absl::ResourceExhaustedError("too many users are looked up at once");
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2()");
  UniqueFd out(ends[0]);
  const UniqueFd out_end(ends[1]);
  fcntl(out.get(), F_SETFL, O_NONBLOCK);

  SpawnPlan plan;
  // The name is an argument of the shell, never a part of its line.
  plan.argv = {
      "/bin/sh", "-c",    R"("$1" passwd "$2" && "$1" initgroups "$2")",
      "sh",      getent_, name};
  plan.programs = {"/bin/sh"};
  plan.environment = EnvironmentStrings(BuildEnvironment(User(), {}, "lookup"));
  plan.directory = "/";
  plan.ends_with_parent = true;
  ASSIGN_OR_RETURN(
      std::unique_ptr<Spawning> child,
      Spawning::Launch(std::move(plan), {-1, out_end.get(), -1}, {}));

  const uint64_t id = next_++;
  Asking& asking = asking_[id];
  asking.name = name;
  asking.pidfd = child->TakePidfd();
  asking.child = std::move(child);
  asking.out = std::move(out);
  asking.done = std::move(done);
  asking.timer = loop_->At(loop_->now() + kPatience, [this, id] {
    const std::string user = asking_.at(id).name;
    End(id, absl::DeadlineExceededError(
                absl::StrCat("user(", user, "): getent does not answer")));
  });
  loop_->Watch(asking.out.get(), EPOLLIN,
               [this, id](uint32_t) { OnOutput(id); });
  return absl::OkStatus();
}

bool UserLookup::Owns(pid_t pid) const {
  for (const auto& [id, asking] : asking_) {
    if (asking.child->pid() == pid) return true;
  }
  return false;
}

void UserLookup::OnOutput(uint64_t id) {
  Asking& asking = asking_.at(id);
  char chunk[4096];
  const ssize_t got = read(asking.out.get(), chunk, sizeof chunk);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0 && asking.output.size() < kMaxOutputBytes) {
    asking.output.append(chunk, static_cast<size_t>(got));
    return;
  }
  End(id, ParseGetent(asking.output, asking.name));
}

void UserLookup::End(uint64_t id, absl::StatusOr<User> user) {
  Asking asking = std::move(asking_.extract(id).mapped());
  loop_->Unwatch(asking.out.get());
  loop_->Cancel(asking.timer);
  // It has nothing more to say; most often it is dead already.
  KillGroup(asking.pidfd, asking.child->pid());
  given_up_.Take(std::move(asking.child));
  asking.done(std::move(user));
}

}  // namespace specula::agent
