#include "agent/front/tail_hub.h"

#include <utility>
#include <vector>

namespace specula::agent {

using Descriptor = boost::asio::posix::stream_descriptor;

TailHub::TailHub(EventLoop& loop, absl::Duration retry)
    : retry_(retry), descriptor_(loop.context()), timer_(loop.context()) {
  if (watcher_->fd() < 0) return;  // no inotify: every Tail polls
  descriptor_.assign(watcher_->fd());
  loop.Post([this] { Wait(); });
}

TailHub::~TailHub() {
  if (descriptor_.is_open()) {
    [[maybe_unused]] int fd = descriptor_.release();  // the watcher closes it
  }
}

TailHub::Id TailHub::Add(const std::string& path, OnWake wake) {
  const Id id = watcher_->Add(path);
  wakes_[id] = std::move(wake);
  return id;
}

void TailHub::Remove(Id id) {
  wakes_.erase(id);
  unarmed_.erase(id);
}

void TailHub::Armed(Id id, bool told) {
  if (told) {
    unarmed_.erase(id);
  } else {
    unarmed_.insert(id);
    RetryLater();
  }
}

void TailHub::RetryLater() {
  if (std::exchange(retrying_, true)) return;
  timer_.expires_after(absl::ToChronoNanoseconds(retry_));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    retrying_ = false;
    const std::vector<Id> ids(unarmed_.begin(), unarmed_.end());
    for (const Id id : ids) {
      // One that was woken before may have removed this one.
      auto place = wakes_.find(id);
      if (place == wakes_.end()) continue;
      const OnWake call = place->second;
      call(/*name_changed=*/true);
    }
    // For those who did not try.
    if (!unarmed_.empty()) RetryLater();
  });
}

void TailHub::Wait() {
  descriptor_.async_wait(
      Descriptor::wait_read, [this](const boost::system::error_code& error) {
        if (error) return;
        for (const Watcher::Wake& wake : watcher_->Dispatch().wakes) {
          // One that was woken before may have removed this one.
          auto place = wakes_.find(wake.id);
          if (place == wakes_.end()) continue;
          const OnWake call = place->second;
          call(wake.name_changed);
        }
        Wait();
      });
}

}  // namespace specula::agent
