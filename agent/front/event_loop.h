#ifndef SPECULA_AGENT_FRONT_EVENT_LOOP_H_
#define SPECULA_AGENT_FRONT_EVENT_LOOP_H_

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/time/time.h"

namespace specula::agent {

// One thread that owns the state of whatever is said to be "loop thread only".
class EventLoop {
 public:
  EventLoop();
  // Stop must have been called.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;

  boost::asio::io_context& context() { return context_; }

  // Runs `task` on the loop after all that were posted before. Thread-safe.
  template <typename Task>
  void Post(Task&& task) {
    boost::asio::post(context_, std::forward<Task>(task));
  }

  // Runs `task` on the loop, not before `delay` is over. Thread-safe.
  void After(absl::Duration delay, std::function<void()> task);

  bool OnLoop() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Ends the loop after the task that runs now; tasks that are left are
  // dropped. Not on the loop thread.
  void Stop();

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      work_;
  std::thread thread_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_EVENT_LOOP_H_
