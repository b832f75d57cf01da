#include "agent/broker/child_attributes.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>

namespace specula::agent {
namespace {

// The first process of the machine or container: what it has, a login has.
constexpr long kFirstProcess = 1;

constexpr long kTimerSlackNanoseconds = 50'000;
constexpr long kIoPriorityOfProcess = 1;  // IOPRIO_WHO_PROCESS
constexpr long kNoIoPriority = 0;         // it follows from nice

struct Limit {
  int resource;
  rlimit value;
};

// The kernel's for its first process; of open files systemd's for services and
// logins. RLIMIT_NPROC and RLIMIT_SIGPENDING follow from the machine's memory
// and are taken from the first process.
constexpr Limit kLimits[] = {
    {RLIMIT_CPU, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_FSIZE, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_DATA, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_STACK, {8 << 20, RLIM_INFINITY}},
    // No core files unless the program asks for them.
    {RLIMIT_CORE, {0, RLIM_INFINITY}},
    {RLIMIT_RSS, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_NOFILE, {1024, 524288}},
    {RLIMIT_MEMLOCK, {8 << 20, 8 << 20}},
    {RLIMIT_AS, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_LOCKS, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_MSGQUEUE, {819200, 819200}},
    {RLIMIT_NICE, {0, 0}},
    {RLIMIT_RTPRIO, {0, 0}},
    {RLIMIT_RTTIME, {RLIM_INFINITY, RLIM_INFINITY}},
};
constexpr int kLimitsOfFirst[] = {RLIMIT_NPROC, RLIMIT_SIGPENDING};

// Sets a limit, or comes as near to it as the hard limit allows.
SPECULA_BARE void SetLimit(int resource, rlimit wanted) {
  if (RawSyscall(SYS_prlimit64, 0, resource, Arg(&wanted)) == 0) return;
  rlimit own;
  if (RawSyscall(SYS_prlimit64, 0, resource, 0, Arg(&own)) != 0) return;
  if (wanted.rlim_max > own.rlim_max) wanted.rlim_max = own.rlim_max;
  if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
  RawSyscall(SYS_prlimit64, 0, resource, Arg(&wanted));
}

SPECULA_BARE void SetLimits() {
  for (const Limit& limit : kLimits) SetLimit(limit.resource, limit.value);
  for (int resource : kLimitsOfFirst) {
    rlimit first;
    if (RawSyscall(SYS_prlimit64, kFirstProcess, resource, 0, Arg(&first)) == 0)
      SetLimit(resource, first);
  }
}

// Takes the processors of the first process, as far as the control group allows
// them. Only if it has others: who never asked is given those that come later.
SPECULA_BARE void SetProcessors() {
  constexpr long kBytes = 1024;
  unsigned long own[kBytes / sizeof(unsigned long)];
  unsigned long first[kBytes / sizeof(unsigned long)];
  const long bytes = RawSyscall(SYS_sched_getaffinity, 0, kBytes, Arg(own));
  if (bytes <= 0 || RawSyscall(SYS_sched_getaffinity, kFirstProcess, kBytes,
                               Arg(first)) != bytes) {
    return;
  }
  bool same = true;
  for (unsigned long i = 0; i < static_cast<size_t>(bytes) / sizeof own[0]; ++i)
    same = same && own[i] == first[i];
  if (!same) RawSyscall(SYS_sched_setaffinity, 0, bytes, Arg(first));
}

// Keeps no capability over the exec but what root has by being root. The
// ambient ones go with the inheritable.
SPECULA_BARE void ClearInheritable() {
  RawSyscall(SYS_prctl, PR_SET_SECUREBITS, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (RawSyscall(SYS_capget, Arg(&header), Arg(data)) != 0) return;
  for (__user_cap_data_struct& half : data) half.inheritable = 0;
  RawSyscall(SYS_capset, Arg(&header), Arg(data));
}

}  // namespace

SPECULA_BARE void TakeFreshAttributes() {
  // Priorities before the limits that they would need.
  const sched_param none = {};
  RawSyscall(SYS_sched_setscheduler, 0, SCHED_OTHER, Arg(&none));
  RawSyscall(SYS_setpriority, PRIO_PROCESS, 0, 0);
  RawSyscall(SYS_ioprio_set, kIoPriorityOfProcess, 0, kNoIoPriority);
  SetProcessors();
  RawSyscall(SYS_set_mempolicy, MPOL_DEFAULT, 0, 0);
  RawSyscall(SYS_prctl, PR_SET_TIMERSLACK, kTimerSlackNanoseconds);
  RawSyscall(SYS_personality, PER_LINUX);
  RawSyscall(SYS_umask, 022);
  SetLimits();
  RawSyscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  ClearInheritable();
}

}  // namespace specula::agent
