#ifndef SPECULA_AGENT_BROKER_TREE_H_
#define SPECULA_AGENT_BROKER_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace specula::agent {

// All processes that come from one child: itself, what it started, what those
// started, wherever they went since. Implemented by a control group
// (CgroupTree) and, where there is none to be had, by looking for them
// (SessionTree).
class Tree {
 public:
  virtual ~Tree() = default;

  // Those that live now; dead ones that nobody waited for are not among them.
  virtual std::vector<pid_t> Members() = 0;

  // Whether there are none. As Members().empty(), and cheaper.
  virtual bool Empty() = 0;

  // What shows that it may have become empty.
  struct Sign {
    int fd = -1;  // becomes ready then; -1: nothing shows it, look again later
    uint32_t events = 0;  // of epoll
  };

  // Nothing if it is empty, as Empty(); else what to wait for before the next
  // look. The tree's, until the next call.
  virtual std::optional<Sign> SignOfEnd() = 0;

  // Sends `signal` to each and never to a process that merely got the pid of
  // one. Which it was sent to.
  virtual std::vector<pid_t> Signal(int signal) = 0;

  // Sends `signal` to those who are not among `known` and whose parent is not
  // one of the tree: born while their parent died of a signal, which they have
  // missed. What a living one starts is its own affair: a handler of TERM may
  // have something run to clean up. Which it was sent to.
  virtual std::vector<pid_t> SignalOrphans(int signal,
                                           const std::set<pid_t>& known) = 0;

  // KILL to each, and those that are born meanwhile. Returns before they are
  // dead. Who was there.
  virtual std::vector<pid_t> Kill() = 0;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_TREE_H_
