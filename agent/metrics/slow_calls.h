#ifndef SPECULA_AGENT_METRICS_SLOW_CALLS_H_
#define SPECULA_AGENT_METRICS_SLOW_CALLS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace specula::agent {

// Runs system calls from which the kernel may never return (statvfs on a dead
// network file system, a sensor behind a stuck bus), so that they cost a thread
// of their own and not the one that asks. A call that is still out when its
// time is over is given up; as long as it has not returned, calls with its key
// are refused at once. Calls with one key run one after the other, so no more
// than one thread is lost to it.
//
// Thread-safe. Costs one wake-up for each Run and nothing in between.
class SlowCalls {
 public:
  // What a call gives back: run before `done`, unless it came too late.
  using Apply = std::function<void()>;

  struct Call {
    std::string key;             // names what may be stuck
    std::function<Apply()> run;  // on a thread of the pool; owns all it touches
  };

  // Called once with the keys of those that did not return in time.
  using Done = std::function<void(std::vector<std::string> stuck)>;

  // Every call gets `limit`. At most `max_threads` are made, when they are
  // needed first; those that are stuck count.
  SlowCalls(absl::Duration limit, int max_threads);
  // Calls that are out are left to themselves; their `done` will not be called.
  // Waits for a `done` that is running, so not to be called from one.
  ~SlowCalls();
  SlowCalls(const SlowCalls&) = delete;

  // Runs all of `calls`, which have different keys, side by side and then
  // `done`, on some thread of the pool, or before it returns if there is
  // nothing to wait for.
  void Run(std::vector<Call> calls, Done done);

 private:
  class Pool;
  std::shared_ptr<Pool> pool_;  // shared with its threads
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SLOW_CALLS_H_
