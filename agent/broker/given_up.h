#ifndef SPECULA_AGENT_BROKER_GIVEN_UP_H_
#define SPECULA_AGENT_BROKER_GIVEN_UP_H_

#include <map>
#include <memory>

#include "agent/broker/loop.h"
#include "agent/broker/spawn.h"

namespace specula::agent {

// Children that were given up before their exec. One that waits for a dead file
// server does not even die of KILL, so each is kept, with the memory it runs
// on, until the kernel has let go of it. Loop thread only.
class GivenUp {
 public:
  explicit GivenUp(Loop* loop) : loop_(loop) {}
  ~GivenUp();
  GivenUp(const GivenUp&) = delete;

  // Kills it, unless it runs its program or has ended. `child` may be null; its
  // report_fd() is not watched.
  void Take(std::unique_ptr<Spawning> child);

 private:
  Loop* loop_;
  std::map<int, std::unique_ptr<Spawning>> children_;  // by report_fd()
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_GIVEN_UP_H_
