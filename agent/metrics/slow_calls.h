#ifndef SPECULA_AGENT_METRICS_SLOW_CALLS_H_
#define SPECULA_AGENT_METRICS_SLOW_CALLS_H_

#include <utility>  // before Boost.Asio 1.74, which forgets it

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace specula::agent {

// Runs system calls from which the kernel may never return (statvfs on a dead
// network file system, a sensor behind a stuck bus), so that they cost a thread of
// their own and not the loop. A call that is still out when its time is over is given
// up; as long as it has not returned, calls with its key are refused at once. Calls
// with one key run one after the other, so no more than one thread is lost to it.
//
// Loop thread only. May be destroyed while calls are out, once the loop has stopped
// and before it is destroyed.
class SlowCalls {
 public:
  // What a call gives back: applied on the loop, unless it came too late.
  using Apply = std::function<void()>;

  struct Call {
    std::string key;                // names what may be stuck
    std::function<Apply()> run;     // on a thread of the pool; owns all it touches
  };

  // At most `max_threads` are made, when they are needed first; those that are
  // stuck count.
  SlowCalls(boost::asio::io_context& loop, int max_threads);
  ~SlowCalls();
  SlowCalls(const SlowCalls&) = delete;

  // Runs all of `calls` side by side and then `done` with the keys of those that
  // did not return within `limit`. `done` runs on the loop, exactly once, never
  // before Run returns.
  void Run(std::vector<Call> calls, absl::Duration limit,
           std::function<void(std::vector<std::string> stuck)> done);

 private:
  class Pool;
  struct Batch;

  void Begin(Call call, const std::weak_ptr<Batch>& batch);
  void Returned(const std::string& key, const std::shared_ptr<Batch>& batch,
                const Apply& apply);
  static void Finish(const std::shared_ptr<Batch>& batch);

  boost::asio::io_context& loop_;
  std::shared_ptr<Pool> pool_;  // shared with its threads
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SLOW_CALLS_H_
