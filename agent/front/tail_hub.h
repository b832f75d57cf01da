#ifndef SPECULA_AGENT_FRONT_TAIL_HUB_H_
#define SPECULA_AGENT_FRONT_TAIL_HUB_H_

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "agent/front/event_loop.h"
#include "agent/tail/watcher.h"

namespace specula::agent {

// Waits for the agent's one inotify instance and tells each Tail when its file
// or its name has changed. Loop thread only, but for the constructor and the
// destructor, which needs the loop to have stopped. Touches no path itself.
class TailHub {
 public:
  using Id = Watcher::Id;
  // `name_changed`: perhaps another file stands there now; Arm again, then
  // look.
  using OnWake = std::function<void(bool name_changed)>;

  // `retry`: how long a subscription that could not be armed waits for the next
  // try, which it is told of as a wake with name_changed.
  explicit TailHub(EventLoop& loop, absl::Duration retry = absl::Seconds(10));
  ~TailHub();

  // The id is to be armed with watcher(), and removed there, by threads that
  // may hang; its outcome goes to Armed.
  Id Add(const std::string& path, OnWake wake);
  // After it the callback is not called any more.
  void Remove(Id id);
  // Takes note of whether changes of `id` will be told. If not, it is woken to
  // be armed again.
  void Armed(Id id, bool told);

  // Shared with those threads.
  const std::shared_ptr<Watcher>& watcher() const { return watcher_; }

 private:
  void Wait();
  void RetryLater();

  const absl::Duration retry_;
  const std::shared_ptr<Watcher> watcher_ = std::make_shared<Watcher>();
  boost::asio::posix::stream_descriptor descriptor_;  // borrows the watcher's
  absl::flat_hash_map<Id, OnWake> wakes_;
  absl::flat_hash_set<Id> unarmed_;  // of whose changes perhaps nobody tells
  boost::asio::steady_timer timer_;
  bool retrying_ = false;  // the timer runs
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TAIL_HUB_H_
