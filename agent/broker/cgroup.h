#ifndef SPECULA_AGENT_BROKER_CGROUP_H_
#define SPECULA_AGENT_BROKER_CGROUP_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/broker/tree.h"
#include "lib/base/unique_fd.h"

// Control groups (cgroup2) as the owner of a process tree: who is born in one
// cannot leave it by setsid, by a double fork or by outliving its parents. Only
// a process with the right to write cgroup.procs elsewhere can, which root has:
// a daemon that a command starts through systemd is systemd's, on purpose.
namespace specula::agent {

// Where the first cgroup2 is mounted, from /proc/self/mountinfo; empty if
// nowhere. Pure.
std::string ParseCgroupMount(absl::string_view mountinfo);

// The path of the cgroup2 group in /proc/self/cgroup, as "/system.slice/x";
// empty without one. Pure.
std::string ParseCgroupPath(absl::string_view cgroup);

// True if cgroup.events says that a process lives in or below the group. Pure.
bool ParsePopulated(absl::string_view events);

// One group; its descriptors stay open, because most are used again and again.
class Cgroup {
 public:
  // What it is good for.
  enum class Use {
    kAgain,  // one job after the other
    kOnce,   // one job, whose name it has or another broker gave it
    // Kill was called. Such a group is of no more use: on kernels from 6.12 on
    // or so what is born into it by CLONE_INTO_CGROUP is killed at once,
    // because its count of kills is not that of the parent's group.
    kKilled,
  };

  // Opens an existing group, to be used once.
  static absl::StatusOr<Cgroup> Open(std::string path);

  const std::string& path() const { return path_; }
  int directory_fd() const { return directory_.get(); }
  int procs_fd() const { return procs_.get(); }
  int events_fd() const { return events_.get(); }
  bool Populated() const;

  // Waits until nobody lives in it, for at most `limit`. False: somebody does.
  bool AwaitEmpty(absl::Duration limit) const;

  // Those in it and below it.
  std::vector<pid_t> Members() const;

  // KILL to all, by cgroup.kill or, before kernel 5.14, one by one.
  void Kill();

  // Nothing is born in it any more: of its descriptors events_fd() stays.
  void CloseToBirths();

  Use use() const { return use_; }
  void set_use(Use use) { use_ = use; }

 private:
  std::string path_;
  UniqueFd directory_;
  UniqueFd procs_;
  UniqueFd events_;
  Use use_ = Use::kOnce;
};

// Where children are born: hands out empty groups below a directory of its own,
// specula.OWNER.PID in the group this process is in, and takes them back:
// making one and removing it costs as much as a good part of a spawn. Not
// thread-safe.
class CgroupPool {
 public:
  // FAILED_PRECONDITION with the reason if there is no cgroup2, if it cannot be
  // written, or if children cannot be put into it. `owner`, letters and digits,
  // is what this broker has in common with those before and after it and with
  // no other. `base` overrides where to look and is for tests.
  static absl::StatusOr<std::unique_ptr<CgroupPool>> Create(
      absl::string_view owner, std::string base = "");

  // Removes the groups that are empty or about to be; those of started programs
  // stay.
  ~CgroupPool();
  CgroupPool(const CgroupPool&) = delete;

  absl::StatusOr<Cgroup> Take();

  // A new one, for one job only: what outlives this broker must not be taken
  // for another's by the name of its group.
  absl::StatusOr<Cgroup> Make(absl::string_view name);
  std::string PathOf(absl::string_view name) const;

  // Takes it back, or removes it as soon as it is empty.
  void Return(Cgroup group);

  // Ends what brokers of the same owner have left behind when they died: groups
  // of theirs not in `keep`, by path or by name, are killed, and removed as
  // soon as they are empty. What does not die within a second is left to the
  // next one.
  void Sweep(const std::vector<std::string>& keep);

  const std::string& path() const { return path_; }

 private:
  CgroupPool(std::string base, std::string prefix);

  absl::Status Probe();
  void RemoveSpent();

  std::string base_;
  std::string prefix_;  // of the directories of our owner
  std::string path_;
  UniqueFd lock_;  // held as long as this broker lives
  int next_ = 0;
  std::vector<Cgroup> idle_;
  std::vector<Cgroup> spent_;  // to be removed once they are empty
};

// A tree that is a group.
class CgroupTree : public Tree {
 public:
  // With a pool the group goes back to it at the end; else it is removed if
  // empty.
  CgroupTree(Cgroup group, CgroupPool* pool)
      : group_(std::move(group)), pool_(pool) {}
  ~CgroupTree() override;

  std::vector<pid_t> Members() override { return group_.Members(); }
  bool Empty() override {
    return !group_.Populated() || group_.Members().empty();
  }
  std::optional<Sign> SignOfEnd() override;
  std::vector<pid_t> Signal(int signal) override;
  std::vector<pid_t> SignalOrphans(int signal,
                                   const std::set<pid_t>& known) override;
  std::vector<pid_t> Kill() override;

 private:
  Cgroup group_;
  CgroupPool* pool_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CGROUP_H_
