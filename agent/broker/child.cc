#include "agent/broker/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "agent/broker/child_attributes.h"
#include "agent/broker/raw_syscall.h"

namespace specula::agent {
namespace {

constexpr int kReportFd = 3;
constexpr int kLastSignal = 64;
constexpr long kSignalSetBytes = 8;

// The kernel's, not libc's.
struct KernelSigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

SPECULA_BARE void ResetSignals() {
  KernelSigaction action = {};
  for (int signal = 1; signal <= kLastSignal; ++signal) {
    RawSyscall(SYS_rt_sigaction, signal, Arg(&action), 0, kSignalSetBytes);
  }
}

SPECULA_BARE long PlaceDescriptors(const ChildPlan& plan, int& report_fd) {
  const int sources[] = {plan.stdin_fd, plan.stdout_fd, plan.stderr_fd};
  for (int target = 0; target < 3; ++target) {
    const long result = RawSyscall(SYS_dup3, sources[target], target, 0);
    if (result < 0) return result;
  }
  if (report_fd != kReportFd) {
    const long result = RawSyscall(SYS_dup3, report_fd, kReportFd, O_CLOEXEC);
    if (result < 0) return result;
    report_fd = kReportFd;
  }
  // Everything of the broker's is close-on-exec, so a kernel without
  // close_range (before 5.9) loses nothing but the second lock.
  RawSyscall(SYS_close_range, kReportFd + 1, ~0U, 0);
  return 0;
}

SPECULA_BARE long BecomeUser(const ChildPlan& plan) {
  if (!plan.sets_user) return 0;
  long result = RawSyscall(SYS_setgroups, static_cast<long>(plan.group_count),
                           Arg(plan.groups));
  if (result == 0)
    result = RawSyscall(SYS_setresgid, plan.gid, plan.gid, plan.gid);
  if (result == 0)
    result = RawSyscall(SYS_setresuid, plan.uid, plan.uid, plan.uid);
  return result;
}

SPECULA_BARE long EnterDirectory(const ChildPlan& plan) {
  const long result = RawSyscall(SYS_chdir, Arg(plan.directory));
  if (result == 0 || !plan.directory_may_fail) return result;
  return RawSyscall(SYS_chdir, Arg("/"));
}

// Runs the first program that can be run; returns only on failure. As execvp:
// what is not there is passed over, and "permission denied" is said only at the
// end.
SPECULA_BARE ChildReport Execute(const ChildPlan& plan) {
  ChildReport report = {ChildStep::kProgram, ENOENT, 0};
  for (size_t i = 0; i < plan.program_count; ++i) {
    const long error = -RawSyscall(SYS_execve, Arg(plan.programs[i]),
                                   Arg(plan.argv), Arg(plan.envp));
    const int32_t index = static_cast<int32_t>(i);
    if (error == ENOENT &&
        RawSyscall(SYS_faccessat, AT_FDCWD, Arg(plan.programs[i]), F_OK) == 0) {
      return {ChildStep::kInterpreter, ENOENT, index};
    }
    if (error == EACCES) {
      report = {ChildStep::kProgram, EACCES, index};
    } else if (error != ENOENT && error != ENOTDIR) {
      return {ChildStep::kProgram, static_cast<int32_t>(error), index};
    }
  }
  return report;
}

// Everything up to the exec, in an order that matters: the group first, so that
// no process of the tree is ever outside it; the user before the directory,
// because it is he who must be allowed there; the mask last, so that no signal
// comes between.
SPECULA_BARE ChildReport Become(const ChildPlan& plan, int& report_fd) {
  const auto failed = [](ChildStep step, long result) SPECULA_BARE {
    return ChildReport{step, static_cast<int32_t>(-result), 0};
  };
  if (plan.cgroup_procs_fd >= 0) {
    const long result =
        RawSyscall(SYS_write, plan.cgroup_procs_fd, Arg("0"), 1);
    if (result < 0) return failed(ChildStep::kCgroup, result);
  }
  if (const long result = RawSyscall(SYS_setsid); result < 0) {
    return failed(ChildStep::kSession, result);
  }
  ResetSignals();
  TakeFreshAttributes();
  if (const long result = PlaceDescriptors(plan, report_fd); result < 0) {
    return failed(ChildStep::kDescriptors, result);
  }
  if (const long result = BecomeUser(plan); result < 0)
    return failed(ChildStep::kUser, result);
  if (plan.ends_with_parent) RawSyscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (const long result = EnterDirectory(plan); result < 0) {
    return failed(ChildStep::kDirectory, result);
  }
  const unsigned long no_signals = 0;
  RawSyscall(SYS_rt_sigprocmask, SIG_SETMASK, Arg(&no_signals), 0,
             kSignalSetBytes);
  return Execute(plan);
}

SPECULA_BARE int RunChild(void* argument) {
  const ChildPlan& plan = *static_cast<const ChildPlan*>(argument);
  int report_fd = plan.report_fd;
  const ChildReport report = Become(plan, report_fd);
  RawSyscall(SYS_write, report_fd, Arg(&report), sizeof report);
  while (true) RawSyscall(SYS_exit_group, 127);
}

constexpr uint64_t kCloneFlags = CLONE_VM | CLONE_PIDFD;

#if defined(__x86_64__)
// clone3 as libc has it inside and does not export. In the child the stack is
// the new one and RunChild never returns.
__attribute__((noinline)) long Clone3(clone_args* arguments, int (*run)(void*),
                                      void* plan) {
  long result;
  asm volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "movq %[plan], %%rdi\n\t"
      "callq *%[run]\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(arguments),
        "S"(sizeof *arguments), [run] "r"(run), [plan] "r"(plan)
      : "rcx", "r11", "memory", "cc");
  return result;
}

long CloneIntoCgroup(const ChildPlan& plan, char* stack, size_t stack_size,
                     int cgroup_fd, int& pidfd) {
  clone_args arguments = {};
  arguments.flags = kCloneFlags | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0);
  arguments.exit_signal = SIGCHLD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.stack = reinterpret_cast<uint64_t>(stack);
  arguments.stack_size = stack_size;
  arguments.cgroup = static_cast<uint64_t>(cgroup_fd >= 0 ? cgroup_fd : 0);
  return Clone3(&arguments, &RunChild, const_cast<ChildPlan*>(&plan));
}
#else
long CloneIntoCgroup(const ChildPlan&, char*, size_t, int, int&) {
  return -ENOSYS;
}
#endif

}  // namespace

absl::StatusOr<Clone> CloneChild(const ChildPlan& plan, char* stack,
                                 size_t stack_size, int cgroup_fd) {
  // No handler of ours may run in the child.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  long pid = -ENOSYS;
  if (cgroup_fd >= 0) {
    pid = CloneIntoCgroup(plan, stack, stack_size, cgroup_fd, pidfd);
  } else {
    pid = clone(&RunChild, stack + stack_size,
                static_cast<int>(kCloneFlags) | SIGCHLD,
                const_cast<ChildPlan*>(&plan), &pidfd);
    if (pid < 0) pid = -errno;
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid > 0) return Clone{static_cast<pid_t>(pid), UniqueFd(pidfd)};
  const int error = static_cast<int>(-pid);
  if (cgroup_fd >= 0 && (error == ENOSYS || error == EINVAL || error == E2BIG ||
                         error == EPERM)) {
    return absl::UnimplementedError("clone3(CLONE_INTO_CGROUP)");
  }
  // Not the program: that is looked for by the child.
  if (cgroup_fd >= 0 && (error == ENOENT || error == ENODEV)) {
    return absl::InternalError(
        "the control group made for it was removed by somebody else");
  }
  // EAGAIN is the limit of processes: pids.max, RLIMIT_NPROC or pid_max.
  if (error == EAGAIN)
    return absl::ResourceExhaustedError("clone(): no more processes allowed");
  return absl::ErrnoToStatus(error, "clone()");
}

}  // namespace specula::agent
