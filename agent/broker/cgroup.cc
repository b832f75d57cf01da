#include "agent/broker/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/signalling.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// Enough for the usual number of Execs at once; what is more is made and
// removed.
constexpr size_t kMaxIdle = 64;

constexpr size_t kMaxProcsBytes = 64 << 20;

// KILL is told at once and obeyed a little later; a group can be removed when
// it was obeyed. Only the begin and the end of a broker wait for that.
constexpr absl::Duration kDyingPatience = absl::Seconds(1);

UniqueFd OpenIn(const std::string& directory, absl::string_view name,
                int flags) {
  return UniqueFd(
      open(absl::StrCat(directory, "/", name).c_str(), flags | O_CLOEXEC));
}

std::vector<std::string> Subdirectories(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()),
                                                      &closedir);
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory.get())) {
    const absl::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..")
      names.emplace_back(name);
  }
  return names;
}

// Children first, as groups below a group hold it; those that are in use stay.
void RemoveGroups(const std::string& path) {
  for (const std::string& name : Subdirectories(path)) {
    RemoveGroups(absl::StrCat(path, "/", name));
  }
  rmdir(path.c_str());
}

void AddMembers(const std::string& path, std::vector<pid_t>& members) {
  const auto text =
      ReadFile(absl::StrCat(path, "/cgroup.procs"), kMaxProcsBytes);
  if (!text.ok()) return;
  for (absl::string_view line :
       absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    pid_t pid;
    // 0 stands for a process that this pid namespace does not see.
    if (absl::SimpleAtoi(line, &pid) && pid > 0) members.push_back(pid);
  }
  for (const std::string& name : Subdirectories(path)) {
    AddMembers(absl::StrCat(path, "/", name), members);
  }
}

// Whether a child can be born in the group, or else join it by itself.
absl::Status TryToUse(const Cgroup& group) {
  clone_args arguments = {};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(group.directory_fd());
  pid_t pid =
      static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid < 0) {
    pid = fork();
    if (pid == 0) _exit(write(group.procs_fd(), "0", 1) == 1 ? 0 : 1);
  }
  if (pid == 0) _exit(0);
  int status = -1;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(group.path(), ": no process can be put into it"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ParseCgroupMount(absl::string_view mountinfo) {
  for (absl::string_view line :
       absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2 || !absl::StartsWith(halves[1], "cgroup2 "))
      continue;
    const std::vector<absl::string_view> fields =
        absl::StrSplit(halves[0], ' ');
    // A space in the path would stand there as \040; no system has one.
    if (fields.size() >= 5 && absl::StartsWith(fields[4], "/"))
      return std::string(fields[4]);
  }
  return "";
}

std::string ParseCgroupPath(absl::string_view cgroup) {
  for (absl::string_view line : absl::StrSplit(cgroup, '\n')) {
    if (!absl::ConsumePrefix(&line, "0::")) continue;
    // "/../x" is a group outside of our cgroup namespace.
    if (absl::StartsWith(line, "/") && !absl::StartsWith(line, "/.."))
      return std::string(line);
  }
  return "";
}

bool ParsePopulated(absl::string_view events) {
  for (absl::string_view line : absl::StrSplit(events, '\n')) {
    if (absl::ConsumePrefix(&line, "populated ")) return line != "0";
  }
  // What cannot be read is looked into.
  return true;
}

absl::StatusOr<Cgroup> Cgroup::Open(std::string path) {
  Cgroup group;
  group.directory_.Reset(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  group.procs_ = OpenIn(path, "cgroup.procs", O_RDWR);
  group.events_ = OpenIn(path, "cgroup.events", O_RDONLY);
  if (!group.directory_.valid() || !group.procs_.valid() ||
      !group.events_.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open(", path, ")"));
  }
  group.path_ = std::move(path);
  return group;
}

bool Cgroup::Populated() const {
  char text[256];
  const ssize_t got = pread(events_.get(), text, sizeof text, 0);
  // Gone with its directory.
  if (got < 0) return errno != ENODEV;
  return ParsePopulated(absl::string_view(text, static_cast<size_t>(got)));
}

bool Cgroup::AwaitEmpty(absl::Duration limit) const {
  const absl::Duration end = MonotonicNow() + limit;
  while (Populated()) {
    const absl::Duration left = end - MonotonicNow();
    if (left <= absl::ZeroDuration()) return false;
    // The kernel tells of each change since the last read.
    pollfd changed = {events_.get(), POLLPRI, 0};
    poll(&changed, 1,
         static_cast<int>(absl::ToInt64Milliseconds(
             absl::Ceil(left, absl::Milliseconds(1)))));
  }
  return true;
}

std::vector<pid_t> Cgroup::Members() const {
  std::vector<pid_t> members;
  AddMembers(path_, members);
  // A dead process whose threads live on is listed; it cannot be told anything
  // more.
  return members;
}

void Cgroup::CloseToBirths() {
  directory_.Reset();
  procs_.Reset();
}

void Cgroup::Kill() {
  use_ = Use::kKilled;
  const UniqueFd kill_file = OpenIn(path_, "cgroup.kill", O_WRONLY);
  if (kill_file.valid() && write(kill_file.get(), "1", 1) == 1) return;
  // Whoever forks while this goes on is met by the next round, or by the next
  // Kill.
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds && Populated(); ++round) {
    for (pid_t pid : Members()) {
      SignalMember(pid, SIGKILL, [&] { return IsInCgroup(pid, path_); });
    }
  }
}

CgroupPool::CgroupPool(std::string base, std::string prefix)
    : base_(std::move(base)),
      prefix_(std::move(prefix)),
      path_(absl::StrCat(base_, "/", prefix_, getpid())) {}

absl::StatusOr<std::unique_ptr<CgroupPool>> CgroupPool::Create(
    absl::string_view owner, std::string base) {
  if (base.empty()) {
    ASSIGN_OR_RETURN(const std::string mounts,
                     ReadFile("/proc/self/mountinfo", 16 << 20));
    ASSIGN_OR_RETURN(const std::string own, ReadFile("/proc/self/cgroup"));
    const std::string mount = ParseCgroupMount(mounts);
    const std::string path = ParseCgroupPath(own);
    if (mount.empty() || path.empty())
      return absl::FailedPreconditionError("no cgroup2 here");
    base = path == "/" ? mount : absl::StrCat(mount, path);
  }
  std::unique_ptr<CgroupPool> pool(
      new CgroupPool(std::move(base), absl::StrCat("specula.", owner, ".")));
  if (mkdir(pool->path_.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(
        absl::ErrnoToStatus(errno, absl::StrCat("mkdir(", pool->path_, ")"))
            .message());
  }
  // A broker with our pid may have died here in an earlier container or boot.
  pool->lock_.Reset(
      open(pool->path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!pool->lock_.valid() ||
      flock(pool->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(pool->path_, ": in use"));
  }
  RETURN_IF_ERROR(pool->Probe());
  return pool;
}

absl::Status CgroupPool::Probe() {
  auto group = Take();
  if (!group.ok())
    return absl::FailedPreconditionError(group.status().message());
  const absl::Status status = TryToUse(*group);
  Return(*std::move(group));
  return status;
}

CgroupPool::~CgroupPool() {
  const absl::Duration end = MonotonicNow() + kDyingPatience;
  for (const std::vector<Cgroup>* groups : {&idle_, &spent_}) {
    for (const Cgroup& group : *groups) {
      // Those of started programs are not waited for.
      if (group.use() == Cgroup::Use::kKilled || group.Members().empty())
        group.AwaitEmpty(end - MonotonicNow());
    }
  }
  idle_.clear();
  spent_.clear();
  RemoveGroups(path_);
}

void CgroupPool::RemoveSpent() {
  spent_.erase(std::remove_if(spent_.begin(), spent_.end(),
                              [](const Cgroup& group) {
                                if (group.Populated()) return false;
                                RemoveGroups(group.path());
                                return true;
                              }),
               spent_.end());
}

absl::StatusOr<Cgroup> CgroupPool::Take() {
  RemoveSpent();
  // One that came back may still hold a process on its way out.
  for (auto group = idle_.begin(); group != idle_.end(); ++group) {
    if (group->Populated()) continue;
    Cgroup taken = std::move(*group);
    idle_.erase(group);
    return taken;
  }
  while (true) {
    std::string path = absl::StrCat(path_, "/", next_++);
    if (mkdir(path.c_str(), 0755) == 0) {
      auto group = Cgroup::Open(std::move(path));
      if (group.ok()) group->set_use(Cgroup::Use::kAgain);
      return group;
    }
    // Left by a broker with our pid: a started program may be in it.
    if (errno != EEXIST)
      return absl::ErrnoToStatus(errno, absl::StrCat("mkdir(", path, ")"));
  }
}

std::string CgroupPool::PathOf(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::StatusOr<Cgroup> CgroupPool::Make(absl::string_view name) {
  RemoveSpent();
  std::string path = PathOf(name);
  if (mkdir(path.c_str(), 0755) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("mkdir(", path, ")"));
  return Cgroup::Open(std::move(path));
}

void CgroupPool::Return(Cgroup group) {
  if (group.use() == Cgroup::Use::kAgain && idle_.size() < kMaxIdle) {
    idle_.push_back(std::move(group));
  } else {
    group.CloseToBirths();
    spent_.push_back(std::move(group));
  }
  RemoveSpent();
}

void CgroupPool::Sweep(const std::vector<std::string>& keep) {
  const absl::Duration end = MonotonicNow() + kDyingPatience;
  for (const std::string& name : Subdirectories(base_)) {
    const std::string old = absl::StrCat(base_, "/", name);
    // Ours too: a broker that died may have had our pid.
    if (!absl::StartsWith(name, prefix_)) continue;
    // Who lives holds the lock, in whatever pid namespace.
    const UniqueFd lock(open(old.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.valid()) continue;
    if (old != path_ && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::vector<Cgroup> dying;
    for (const std::string& child : Subdirectories(old)) {
      const std::string path = absl::StrCat(old, "/", child);
      if (std::find(keep.begin(), keep.end(), path) != keep.end() ||
          std::find(keep.begin(), keep.end(), child) != keep.end()) {
        continue;
      }
      auto group = Cgroup::Open(path);
      if (!group.ok() || !group->Populated()) continue;
      group->Kill();
      dying.push_back(*std::move(group));
    }
    for (const Cgroup& group : dying) group.AwaitEmpty(end - MonotonicNow());
    if (old != path_) RemoveGroups(old);
  }
}

CgroupTree::~CgroupTree() {
  if (pool_ != nullptr) {
    pool_->Return(std::move(group_));
  } else {
    RemoveGroups(group_.path());
    // The directory of the broker that made it, once it is the last.
    rmdir(group_.path().substr(0, group_.path().rfind('/')).c_str());
  }
}

std::optional<Tree::Sign> CgroupTree::SignOfEnd() {
  // What changes after this look makes the descriptor ready.
  if (Empty()) return std::nullopt;
  return Sign{group_.events_fd(), EPOLLPRI};
}

std::vector<pid_t> CgroupTree::Signal(int signal) {
  std::vector<pid_t> signalled;
  for (pid_t pid : group_.Members()) {
    if (SignalMember(pid, signal,
                     [&] { return IsInCgroup(pid, group_.path()); })) {
      signalled.push_back(pid);
    }
  }
  return signalled;
}

std::vector<pid_t> CgroupTree::SignalOrphans(int signal,
                                             const std::set<pid_t>& known) {
  std::vector<pid_t> signalled;
  const std::vector<pid_t> members = group_.Members();
  for (pid_t pid : members) {
    if (known.count(pid) > 0) continue;
    // Its parent may die between the two looks: then it is an orphan by now.
    const auto is_orphan = [&] {
      const auto stat = ReadProcStat(pid);
      return stat.ok() && !stat->dead() &&
             std::find(members.begin(), members.end(), stat->parent) ==
                 members.end() &&
             IsInCgroup(pid, group_.path());
    };
    if (SignalMember(pid, signal, is_orphan)) signalled.push_back(pid);
  }
  return signalled;
}

std::vector<pid_t> CgroupTree::Kill() {
  std::vector<pid_t> members = group_.Members();
  group_.Kill();
  return members;
}

}  // namespace specula::agent
