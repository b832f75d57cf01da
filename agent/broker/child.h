#ifndef SPECULA_AGENT_BROKER_CHILD_H_
#define SPECULA_AGENT_BROKER_CHILD_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

// The moment between a child's birth and its exec.
//
// The child is made with CLONE_VM but without CLONE_VFORK: nothing is copied,
// as with posix_spawn, and yet the broker goes on at once. So a working
// directory or a program on a dead network file system, or a user who stops the
// child as soon as it has his uid, holds up that one child and never the
// broker. The price: until it execs the child runs on its own stack in memory
// that the broker goes on using. It therefore makes nothing but raw system
// calls, and all it reads lies still in a ChildPlan.
namespace specula::agent {

// Everything the child will do; plain data that must not change or go away
// until the report descriptor has been read to its end. Descriptors are numbers
// of the broker's, all 3 or greater.
struct ChildPlan {
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  int report_fd;          // close-on-exec
  int cgroup_procs_fd;    // joined by writing to it; -1: not, or by the clone
  bool ends_with_parent;  // KILL when the broker dies
  bool sets_user;
  uid_t uid;
  gid_t gid;
  const gid_t* groups;
  size_t group_count;
  const char* directory;
  bool directory_may_fail;      // then / is taken
  const char* const* programs;  // tried in this order, as execvp does
  size_t program_count;
  char* const* argv;
  char* const* envp;
};

// What the child was at when it failed.
enum class ChildStep : int32_t {
  kCgroup,
  kSession,
  kDescriptors,
  kUser,
  kDirectory,
  kProgram,
  kInterpreter,  // the program is there, what its first line or ELF header
                 // names is not
};

// What it writes to report_fd then; if exec succeeds it is closed without a
// byte.
struct ChildReport {
  ChildStep step;
  int32_t error;    // errno
  int32_t program;  // index into programs
};

struct Clone {
  pid_t pid;
  UniqueFd pidfd;
};

// Makes the child, in the control group whose directory is `cgroup_fd` unless
// that is -1. `stack` is 16-byte aligned and must lie still as long as the
// plan. UNIMPLEMENTED if the kernel has no
// clone3 with CLONE_INTO_CGROUP (before 5.7, or filtered): use cgroup_procs_fd
// then.
absl::StatusOr<Clone> CloneChild(const ChildPlan& plan, char* stack,
                                 size_t stack_size, int cgroup_fd);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CHILD_H_
