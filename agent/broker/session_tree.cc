#include "agent/broker/session_tree.h"

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "agent/broker/signalling.h"

namespace specula::agent {
namespace {

using Children = std::multimap<int64_t, const ProcStat*>;

Children ByParent(const std::vector<ProcStat>& all) {
  Children children;
  for (const ProcStat& stat : all) children.emplace(stat.parent, &stat);
  return children;
}

// Adds whoever has one of `found` as an ancestor. The dead are passed through:
// their children live until somebody takes them over.
void AddDescendants(const Children& children,
                    std::map<int64_t, const ProcStat*>& found) {
  std::vector<int64_t> open;
  open.reserve(found.size());
  for (const auto& [pid, stat] : found) open.push_back(pid);
  while (!open.empty()) {
    const int64_t parent = open.back();
    open.pop_back();
    const auto [first, last] = children.equal_range(parent);
    for (auto child = first; child != last; ++child) {
      if (found.emplace(child->second->pid, child->second).second) {
        open.push_back(child->second->pid);
      }
    }
  }
}

// Only an orphan has to be told by its marks: who has parents is found by them.
bool IsToldByMarks(const TreeRoot& root, const ProcStat& stat) {
  const bool orphan = root.reaper == 0 || stat.parent == root.reaper;
  return orphan && stat.pid != root.pid && !stat.dead() &&
         !stat.kernel_thread && stat.start_ticks >= root.start_ticks;
}

std::vector<ProcStat> Living(const std::map<int64_t, const ProcStat*>& found) {
  std::vector<ProcStat> living;
  for (const auto& [pid, stat] : found) {
    if (!stat->dead()) living.push_back(*stat);
  }
  return living;
}

std::vector<pid_t> Pids(const std::vector<ProcStat>& stats) {
  std::vector<pid_t> pids;
  pids.reserve(stats.size());
  for (const ProcStat& stat : stats)
    pids.push_back(static_cast<pid_t>(stat.pid));
  return pids;
}

}  // namespace

std::vector<ProcStat> FindMembers(
    const TreeRoot& root, const std::vector<ProcStat>& all,
    const std::function<std::string(int64_t)>& exec_id_of) {
  std::map<int64_t, const ProcStat*> found;
  // Else the leader is gone and its pid is another's, and so is its session.
  const bool owns_session =
      root.pid > 0 &&
      std::none_of(all.begin(), all.end(), [&](const ProcStat& stat) {
        return stat.pid == root.pid && stat.start_ticks != root.start_ticks;
      });
  for (const ProcStat& stat : all) {
    if (stat.pid == root.pid) {
      if (owns_session) found.emplace(stat.pid, &stat);
      continue;
    }
    if (!IsToldByMarks(root, stat)) continue;
    const std::string id = exec_id_of(stat.pid);
    if (id == root.exec_id ||
        (id.empty() && owns_session && stat.session == root.pid)) {
      found.emplace(stat.pid, &stat);
    }
  }
  AddDescendants(ByParent(all), found);
  return Living(found);
}

std::vector<ProcStat> FindDescendants(int64_t pid,
                                      const std::vector<ProcStat>& all) {
  std::map<int64_t, const ProcStat*> found;
  for (const ProcStat& stat : all) {
    if (stat.pid == pid) found.emplace(pid, &stat);
  }
  AddDescendants(ByParent(all), found);
  return Living(found);
}

bool SignalSeen(const ProcStat& seen, int signal) {
  return SignalMember(static_cast<pid_t>(seen.pid), signal, [&] {
    const auto now = ReadProcStat(seen.pid);
    return now.ok() && now->start_ticks == seen.start_ticks;
  });
}

SessionTree::Look SessionTree::LookOnce() const {
  const std::vector<ProcStat> all = ReadAllProcStats();
  std::vector<ProcStat> marked;
  std::copy_if(
      all.begin(), all.end(), std::back_inserter(marked),
      [&](const ProcStat& stat) { return IsToldByMarks(root_, stat); });
  const std::map<int64_t, std::string> ids = exec_ids_->Read(marked);
  Look look;
  look.members = FindMembers(root_, all, [&](int64_t pid) {
    const auto id = ids.find(pid);
    return id == ids.end() ? std::string() : id->second;
  });
  for (const ProcStat& stat : all) {
    if (stat.dead() && stat.parent == root_.reaper) look.ended.insert(stat.pid);
  }
  return look;
}

std::optional<std::vector<ProcStat>> SessionTree::FindIfLeft() const {
  constexpr int kRounds = 10;
  // What another process waits for is seen no more: that has to do.
  const int least = root_.reaper == 0 ? 3 : 1;
  std::set<int64_t> ended;
  // Invariant: no look found a member, and `ended` are those who had ended
  // before the next one begins. Who lives then, and has a child that the look
  // misses, is a member that it finds or has ended since.
  for (int round = 1; round <= kRounds; ++round) {
    Look look = LookOnce();
    if (!look.members.empty()) return std::move(look.members);
    if (round >= least && std::includes(ended.begin(), ended.end(),
                                        look.ended.begin(), look.ended.end())) {
      return std::nullopt;
    }
    ended = std::move(look.ended);
  }
  return std::vector<ProcStat>();
}

std::vector<pid_t> SessionTree::Members() { return Pids(Find()); }

bool SessionTree::IsSurelyEmpty() const {
  // Whoever is left of a tree descends from its leader or, when that is dead,
  // from a child of ours: with no child of ours but the known ones, nobody is
  // left.
  if (root_.reaper == 0) return false;
  const auto children = ReadOwnChildren();
  return children.ok() &&
         std::all_of(children->begin(), children->end(), [&](int64_t pid) {
           return pid != root_.pid && (*is_known_)(static_cast<pid_t>(pid));
         });
}

bool SessionTree::Empty() { return IsSurelyEmpty() || !FindIfLeft(); }

std::optional<Tree::Sign> SessionTree::SignOfEnd() {
  member_.Reset();
  if (IsSurelyEmpty()) return std::nullopt;
  std::optional<std::vector<ProcStat>> members = FindIfLeft();
  if (!members) return std::nullopt;
  // One of them is enough: before it has ended the tree is not empty. The
  // oldest one lives longest, most likely.
  std::sort(members->begin(), members->end(),
            [](const ProcStat& a, const ProcStat& b) {
              return std::tie(a.start_ticks, a.pid) <
                     std::tie(b.start_ticks, b.pid);
            });
  // Invariant: all before `member` have ended since they were seen.
  for (const ProcStat& member : *members) {
    UniqueFd pidfd = OpenPidfd(static_cast<pid_t>(member.pid));
    const auto stat = ReadProcStat(member.pid);
    if (!pidfd.valid() || !stat.ok() || stat->start_ticks != member.start_ticks)
      continue;
    member_ = std::move(pidfd);
    return Sign{member_.get(), EPOLLIN};
  }
  return Sign{};
}

std::vector<pid_t> SessionTree::Signal(int signal) {
  std::vector<pid_t> signalled;
  for (const ProcStat& member : Find()) {
    if (SignalSeen(member, signal))
      signalled.push_back(static_cast<pid_t>(member.pid));
  }
  return signalled;
}

std::vector<pid_t> SessionTree::SignalOrphans(int signal,
                                              const std::set<pid_t>& known) {
  std::vector<pid_t> signalled;
  const std::vector<ProcStat> members = Find();
  for (const ProcStat& member : members) {
    const bool has_parent = std::any_of(
        members.begin(), members.end(),
        [&](const ProcStat& other) { return other.pid == member.parent; });
    if (has_parent || known.count(static_cast<pid_t>(member.pid)) > 0) continue;
    if (SignalSeen(member, signal))
      signalled.push_back(static_cast<pid_t>(member.pid));
  }
  return signalled;
}

std::vector<pid_t> SessionTree::Kill() {
  // Stopped first, so that nobody forks away from the list while it is worked
  // off; who did before is found in the next round.
  constexpr int kRounds = 5;
  std::set<pid_t> killed;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<ProcStat> members =
        FindIfLeft().value_or(std::vector<ProcStat>());
    const bool all_known =
        std::all_of(members.begin(), members.end(), [&](const ProcStat& m) {
          return killed.count(static_cast<pid_t>(m.pid)) > 0;
        });
    if (all_known) break;
    for (const ProcStat& member : members) SignalSeen(member, SIGSTOP);
    for (const ProcStat& member : members) {
      if (SignalSeen(member, SIGKILL))
        killed.insert(static_cast<pid_t>(member.pid));
    }
  }
  return {killed.begin(), killed.end()};
}

}  // namespace specula::agent
