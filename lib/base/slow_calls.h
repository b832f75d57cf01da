#ifndef SPECULA_LIB_BASE_SLOW_CALLS_H_
#define SPECULA_LIB_BASE_SLOW_CALLS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace specula {

// Runs what the kernel may never return from (statvfs on a dead network file
// system, a read of a file of FUSE, a write to a dead disk), so that it costs a
// thread of its own and not the loop that asks.
//
// Calls of one lane run one after the other on one thread, which is the fast
// case: one wake-up for a whole Run. A call that outlives the patience keeps
// that thread, and another one goes on with the lane. How many threads the
// calls of one kind may keep so is bounded, and each kind has its own bound, so
// trouble of one kind takes no thread from another. Within a lane Runs take
// turns, call by call.
//
// Calls with one key run one after the other, so one dead thing keeps one
// thread. Thread-safe. Without calls nothing wakes up.
class SlowCalls {
 public:
  // What a call found: runs before `done`, unless the call came too late.
  using Apply = std::function<void()>;

  struct Call {
    int kind = 0;     // index into Options::kinds
    std::string key;  // names what may be stuck; different kinds may share it
    std::function<Apply()> run;  // on a thread of the pool; owns all it touches
    // It cannot hang, as things are: Run runs it, and its Apply, before it
    // returns. Its key stops nothing and is stopped by nothing.
    bool at_once = false;
  };

  // Called once with the keys of the calls that did not return in time.
  using Done = std::function<void(std::vector<std::string> stuck)>;

  struct Kind {
    int lane = 0;
    // Threads that its calls may keep beyond the patience.
    int most_stuck = 8;
  };

  struct Options {
    std::vector<Kind> kinds = {{}};
    // How long a call may run. After it a Run ends as soon as all that it still
    // waits for is stuck; a long line that moves is waited for.
    absl::Duration limit = absl::Seconds(1);
    // How long a call may hold up its lane.
    absl::Duration patience = absl::Milliseconds(20);
  };

  explicit SlowCalls(Options options);
  // Calls that are out are left to themselves; their `done` is not called.
  // Waits for a `done`, Apply or `late` that is running, so it must not be
  // called from one.
  ~SlowCalls();
  SlowCalls(const SlowCalls&) = delete;

  // Runs all of `calls`, which have different keys, then `done`, on some thread
  // of the pool, or before it returns if there is nothing to wait for: a key
  // whose call has missed its time, and has not returned yet, is stuck at once,
  // and so is a kind of which as many as may be are.
  void Run(std::vector<Call> calls, Done done);

  // Runs `call` however long that takes, and then its Apply. Calls `late` once,
  // on some thread, if it is stuck for the limit; that may cross the
  // Apply of one that returns just then. Waits in line behind a call of the
  // same key and while too many of its kind are stuck: bounding how much waits
  // is the caller's part.
  void Start(Call call, std::function<void()> late);

  // Runs `action` while no thread of the pool is in the middle of anything but
  // a call's `run`, none is being made and none is on its way out: for a fork.
  void WhileStill(const std::function<void()>& action);

 private:
  class Pool;
  std::shared_ptr<Pool> pool_;  // shared with its threads
};

}  // namespace specula

#endif  // SPECULA_LIB_BASE_SLOW_CALLS_H_
