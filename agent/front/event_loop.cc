#include "agent/front/event_loop.h"

#include <boost/asio/steady_timer.hpp>

namespace specula::agent {

EventLoop::EventLoop()
    : work_(boost::asio::make_work_guard(context_)),
      thread_([this] { context_.run(); }) {}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::After(absl::Duration delay, std::function<void()> task) {
  Post([this, delay, task = std::move(task)]() mutable {
    auto timer = std::make_shared<boost::asio::steady_timer>(
        context_, absl::ToChronoNanoseconds(delay));
    timer->async_wait([timer, task = std::move(task)](
                          const boost::system::error_code& error) {
      if (!error) task();
    });
  });
}

void EventLoop::Stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace specula::agent
