#include "agent/broker/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

extern "C" {
#include <sys/pidfd.h>
}

namespace specula::agent {
namespace {

// The child calls a handful of small functions; the kernel's execve does not
// use it.
constexpr size_t kStackBytes = 32 << 10;

template <typename Pointer>
std::vector<Pointer> Pointers(const std::vector<std::string>& strings) {
  std::vector<Pointer> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings)
    pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

int DevNull() {
  static const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  return fd;
}

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case E2BIG:
    case ENAMETOOLONG:
      return absl::StatusCode::kInvalidArgument;
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    default:  // ENOEXEC, ENOTDIR, ELOOP, ETXTBSY, EIO and whatever else an exec
              // may say
      return absl::StatusCode::kFailedPrecondition;
  }
}

absl::Status Failed(absl::string_view operation, absl::string_view object,
                    int error) {
  return absl::Status(CodeOf(error), absl::StrCat(operation, "(", object,
                                                  "): ", strerror(error)));
}

}  // namespace

struct Spawning::Memory {
  explicit Memory(SpawnPlan decided)
      : plan(std::move(decided)),
        programs(Pointers<const char*>(plan.programs)),
        argv(Pointers<char*>(plan.argv)),
        environment(Pointers<char*>(plan.environment)) {}

  SpawnPlan plan;
  std::vector<const char*> programs;
  std::vector<char*> argv;
  std::vector<char*> environment;
  ChildPlan child = {};
  alignas(16) char stack[kStackBytes];
};

// Not make_unique, which would clear the stack.
Spawning::Spawning(SpawnPlan plan) : memory_(new Memory(std::move(plan))) {}

absl::StatusOr<std::unique_ptr<Spawning>> Spawning::Launch(
    SpawnPlan plan, const SpawnStreams& streams, const SpawnGroup& group) {
  std::unique_ptr<Spawning> spawning(new Spawning(std::move(plan)));
  int report[2];
  if (pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0)
    return absl::ErrnoToStatus(errno, "pipe2()");
  spawning->report_.Reset(report[0]);
  const UniqueFd report_end(report[1]);

  const auto or_null = [](int fd) { return fd >= 0 ? fd : DevNull(); };
  Memory& memory = *spawning->memory_;
  const SpawnPlan& decided = memory.plan;
  ChildPlan& child = memory.child;
  child.stdin_fd = or_null(streams.in);
  child.stdout_fd = or_null(streams.out);
  child.stderr_fd = or_null(streams.error);
  child.report_fd = report_end.get();
  child.cgroup_procs_fd = group.directory_fd < 0 ? group.procs_fd : -1;
  child.ends_with_parent = decided.ends_with_parent;
  child.sets_user = decided.user.has_value();
  if (child.sets_user) {
    child.uid = decided.user->uid;
    child.gid = decided.user->gid;
    child.groups = decided.user->groups.data();
    child.group_count = decided.user->groups.size();
  }
  child.directory = decided.directory.c_str();
  child.directory_may_fail = decided.directory_may_fail;
  child.programs = memory.programs.data();
  child.program_count = decided.programs.size();
  child.argv = memory.argv.data();
  child.envp = memory.environment.data();

  spawning->birth_.emplace();
  auto clone = CloneChild(child, memory.stack, kStackBytes, group.directory_fd);
  if (absl::IsUnimplemented(clone.status())) {
    child.cgroup_procs_fd = group.procs_fd;
    clone = CloneChild(child, memory.stack, kStackBytes, -1);
  }
  RETURN_IF_ERROR(clone.status());
  spawning->pid_ = clone->pid;
  spawning->pidfd_ = std::move(clone->pidfd);
  return spawning;
}

Spawning::~Spawning() {
  if (!Abandon()) static_cast<void>(memory_.release());
}

bool Spawning::Abandon() {
  if (pid_ < 0 || finished_) return true;
  finished_ = HasLeft();
  // It has neither execed nor ended, so nobody has waited for it: its pid is
  // its own.
  if (!finished_) kill(pid_, SIGKILL);
  birth_.reset();
  return finished_;
}

bool Spawning::HasLeft() {
  ChildReport report;
  ssize_t got;
  // As long as there is something to read, the end may still come.
  do {
    got = read(report_.get(), &report, sizeof report);
  } while (got > 0 || (got < 0 && errno == EINTR));
  return got == 0;
}

absl::Status Spawning::Finish() {
  ChildReport report;
  ssize_t got;
  do {
    got = read(report_.get(), &report, sizeof report);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return absl::ErrnoToStatus(errno, "read(report)");
  if (got == 0) {
    finished_ = true;
    birth_.reset();
    return absl::OkStatus();
  }
  // It is on its way out, a few instructions from leaving our memory, unless
  // its user has stopped it there.
  finished_ = HasLeft();
  if (finished_) birth_.reset();
  return Describe(report);
}

absl::Status Spawning::Describe(const ChildReport& report) const {
  const SpawnPlan& plan = memory_->plan;
  const std::string& name = plan.argv[0];
  const size_t index = static_cast<size_t>(report.program);
  // A name that was looked for in vain is said as it was given.
  const bool tried_all = plan.programs.size() > 1 && report.error == ENOENT &&
                         report.step == ChildStep::kProgram;
  const std::string& program =
      tried_all || index >= plan.programs.size() ? name : plan.programs[index];
  switch (report.step) {
    case ChildStep::kCgroup:
      return absl::ErrnoToStatus(report.error, "join the control group");
    case ChildStep::kSession:
      return absl::ErrnoToStatus(report.error, "setsid()");
    case ChildStep::kDescriptors:
      return absl::ErrnoToStatus(report.error, "dup3()");
    case ChildStep::kUser:
      return Failed("user", plan.user ? plan.user->name : "", report.error);
    case ChildStep::kDirectory:
      return Failed("chdir", plan.directory, report.error);
    case ChildStep::kProgram:
      return Failed("exec", program, report.error);
    case ChildStep::kInterpreter:
      return absl::NotFoundError(absl::StrCat(
          "exec(", program, "): the interpreter that it names is not there"));
  }
  return absl::InternalError("a report of no known kind");
}

}  // namespace specula::agent
