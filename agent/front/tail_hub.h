#ifndef SPECULA_AGENT_FRONT_TAIL_HUB_H_
#define SPECULA_AGENT_FRONT_TAIL_HUB_H_

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/container/flat_hash_map.h"
#include "agent/front/event_loop.h"
#include "agent/tail/watcher.h"

namespace specula::agent {

// Waits for the agent's one inotify instance and tells each Tail when its file
// or its name has changed. Loop thread only, but for the constructor and the
// destructor, which needs the loop to have stopped.
class TailHub {
 public:
  using Id = Watcher::Id;
  // `name_changed`: perhaps another file stands there now; Arm again, then
  // look.
  using OnWake = std::function<void(bool name_changed)>;

  explicit TailHub(EventLoop& loop);
  ~TailHub();

  Id Add(const std::string& path, OnWake wake);
  // After it the callback is not called any more.
  void Remove(Id id);
  // See Watcher::Arm.
  absl::Status Arm(Id id) { return watcher_.Arm(id); }

 private:
  void Wait();

  Watcher watcher_;
  boost::asio::posix::stream_descriptor descriptor_;  // borrows the watcher's
  absl::flat_hash_map<Id, OnWake> wakes_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TAIL_HUB_H_
