#ifndef SPECULA_AGENT_BROKER_SIGNALLING_H_
#define SPECULA_AGENT_BROKER_SIGNALLING_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "lib/base/unique_fd.h"

// A signal to a process that may end at any moment and give its pid to another:
// a pidfd is taken first, then who it is is checked, then it alone is
// signalled.
namespace specula::agent {

// Not valid if there is no such process, or `pid` is a thread's.
UniqueFd OpenPidfd(pid_t pid);

// False with errno if it could not be sent.
bool SignalPidfd(int pidfd, int signal);

// Signals `pid` if `is_meant` holds while the pid is pinned. True if it was
// sent.
bool SignalMember(pid_t pid, int signal, const std::function<bool()>& is_meant);

// Whether the process is in the cgroup2 group with this directory, or below it.
// The directory may lie under any mount point.
bool IsInCgroup(pid_t pid, const std::string& directory);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_SIGNALLING_H_
