#ifndef SPECULA_AGENT_BROKER_SPAWN_H_
#define SPECULA_AGENT_BROKER_SPAWN_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/broker/child.h"
#include "agent/broker/oom_score.h"
#include "agent/broker/users.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A child that is fully decided upon.
struct SpawnPlan {
  std::vector<std::string> argv;  // as given; never split or joined
  std::vector<std::string>
      programs;  // paths that are tried for it, in this order
  std::vector<std::string> environment;
  std::string directory;
  bool directory_may_fail = false;  // then / is taken: a home that is not there
  std::optional<User> user;         // absent: stays who the broker is
  bool ends_with_parent = false;
};

// Where it goes; borrowed until Launch returns, all 3 or greater. A descriptor
// that is -1 is /dev/null.
struct SpawnStreams {
  int in = -1;
  int out = -1;
  int error = -1;
};

// The group it is born in; borrowed until Launch returns. Both -1: the broker's
// own. Without the first it joins by the second.
struct SpawnGroup {
  int directory_fd = -1;  // for clone3
  int procs_fd = -1;      // cgroup.procs, for kernels without CLONE_INTO_CGROUP
};

// A child between its birth and its exec: leader of a new session, with nothing
// but descriptors 0 to 2, default signals, an empty mask, and of the rest of
// what passes through an exec what a fresh login has. It is the broker's to
// wait for from Launch on, whatever becomes of the exec.
//
// The child runs on this object's memory until the report has come to its end.
// If it is destroyed earlier the child is killed and keeps the memory; see
// GivenUp. Nothing here waits for the child. Not thread-safe.
class Spawning {
 public:
  static absl::StatusOr<std::unique_ptr<Spawning>> Launch(
      SpawnPlan plan, const SpawnStreams& streams, const SpawnGroup& group);
  ~Spawning();
  Spawning(const Spawning&) = delete;

  pid_t pid() const { return pid_; }

  // Becomes readable when the exec has succeeded or failed.
  int report_fd() const { return report_.get(); }

  // To be called when report_fd() is readable. OK: the program runs (or was
  // killed before it could). Else why not, with the path, as one of
  //   NOT_FOUND            exec(P), chdir(P): not there; its interpreter is not
  //   there PERMISSION_DENIED    exec(P), chdir(P), user(NAME)
  //   FAILED_PRECONDITION  exec(P): not a program; chdir(P): not a directory
  //   INVALID_ARGUMENT     exec(P): argument list too long
  //   RESOURCE_EXHAUSTED   processes, memory
  absl::Status Finish();

  // Kills the child unless it runs its program or has ended. True if it is off
  // this object's memory, so that it may be destroyed; else it is when
  // report_fd() is at its end, and this is to be called again.
  bool Abandon();

  UniqueFd TakePidfd() { return std::move(pidfd_); }

 private:
  // What the child reads and runs on; see ChildPlan.
  struct Memory;

  explicit Spawning(SpawnPlan plan);

  absl::Status Describe(const ChildReport& report) const;

  // Whether the child is off our memory: reads the report to its end.
  bool HasLeft();

  std::unique_ptr<Memory> memory_;
  // Until the child is off our memory, or as good as dead.
  std::optional<NeutralOomScore> birth_;
  UniqueFd report_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  bool finished_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_SPAWN_H_
