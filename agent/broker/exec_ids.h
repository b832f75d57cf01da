#ifndef SPECULA_AGENT_BROKER_EXEC_IDS_H_
#define SPECULA_AGENT_BROKER_EXEC_IDS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/broker/off_loop.h"
#include "agent/broker/proc_stat.h"

namespace specula::agent {

// The SPECULA_EXEC_ID that processes were started with. /proc/PID/environ is
// the memory of the process: it is read under locks that the process may hold
// for ever (an exec from a dead file server) and may be a mapped file that
// hangs, so it is read on another thread, and waited for a moment only. Loop
// thread only.
class ExecIds {
 public:
  explicit ExecIds(OffLoop* off_loop) : off_loop_(off_loop) {}

  // By pid; without those that have none, or cannot be read. Waits for 100 ms
  // at most, and longer only where there are thousands. One that hangs is not
  // asked again until it has answered.
  std::map<int64_t, std::string> Read(const std::vector<ProcStat>& processes);

 private:
  // A pid alone may become another's.
  using Process = std::pair<int64_t, int64_t>;  // pid and start time

  OffLoop* off_loop_;
  // Of those that did not answer in time: alive while the call is out.
  std::map<Process, std::weak_ptr<void>> out_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_EXEC_IDS_H_
