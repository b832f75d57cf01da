#ifndef SPECULA_AGENT_BROKER_SESSION_TREE_H_
#define SPECULA_AGENT_BROKER_SESSION_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/broker/exec_ids.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/tree.h"
#include "lib/base/unique_fd.h"

// A process tree where there is no cgroup to hold it. This process is the
// subreaper (PR_SET_CHILD_SUBREAPER), so whoever loses his parents becomes its
// child and is told by his session or by SPECULA_EXEC_ID in his environment.
// Weaker than a cgroup: a daemon that was started with a cleaned environment,
// made its own session and lost all its ancestors is nobody's.
namespace specula::agent {

// Who the leader of a tree is.
struct TreeRoot {
  pid_t pid = 0;
  int64_t start_ticks = 0;
  std::string exec_id;
  pid_t reaper =
      0;  // the broker; 0 if another one made it, that is dead
          // (`pid` -1: and the leader too, so its id is all there is)
};

// The living members of the tree among `all` processes. `exec_id_of` gives a
// process's SPECULA_EXEC_ID and is asked only where it matters. Pure.
std::vector<ProcStat> FindMembers(
    const TreeRoot& root, const std::vector<ProcStat>& all,
    const std::function<std::string(int64_t)>& exec_id_of);

// The process itself, unless it is dead, and all that have it as an ancestor.
// Pure.
std::vector<ProcStat> FindDescendants(int64_t pid,
                                      const std::vector<ProcStat>& all);

class SessionTree : public Tree {
 public:
  // `is_known` says of a child of this process that it is a leader of some job
  // or else not an orphan; both pointers must outlive this.
  SessionTree(TreeRoot root, const std::function<bool(pid_t)>* is_known,
              ExecIds* exec_ids)
      : root_(std::move(root)), is_known_(is_known), exec_ids_(exec_ids) {}

  std::vector<pid_t> Members() override;
  bool Empty() override;
  std::optional<Sign> SignOfEnd() override;
  std::vector<pid_t> Signal(int signal) override;
  std::vector<pid_t> SignalOrphans(int signal,
                                   const std::set<pid_t>& known) override;
  std::vector<pid_t> Kill() override;

 private:
  // What one look at all processes shows.
  struct Look {
    std::vector<ProcStat> members;
    std::set<int64_t> ended;  // children of this process, not yet waited for
  };
  Look LookOnce() const;
  std::vector<ProcStat> Find() const { return LookOnce().members; }
  // As Find, and absent only if none is left: one look may miss a process that
  // was born during it, whose parent ended before it was looked at. Empty: that
  // cannot be said.
  std::optional<std::vector<ProcStat>> FindIfLeft() const;
  // Says, without a look at all processes, that none of it can be left.
  bool IsSurelyEmpty() const;

  TreeRoot root_;
  UniqueFd member_;  // a pidfd
  const std::function<bool(pid_t)>* is_known_;
  ExecIds* exec_ids_;
};

// Sends to a process that was seen, if it is still the same one.
bool SignalSeen(const ProcStat& seen, int signal);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_SESSION_TREE_H_
