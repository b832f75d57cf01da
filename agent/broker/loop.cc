#include "agent/broker/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "lib/base/clock.h"

namespace specula::agent {
namespace {

// An event says which watch it is for, not only which descriptor: within one
// turn a number can be closed and given out again.
uint64_t Tag(uint64_t generation, int fd) {
  return (generation << 32) | static_cast<uint32_t>(fd);
}

int TimeoutMilliseconds(absl::Duration now, absl::Duration next) {
  if (next == absl::InfiniteDuration()) return -1;
  // Upwards, or the last fraction of a millisecond would be spun away.
  const int64_t wait =
      absl::ToInt64Milliseconds(absl::Ceil(next - now, absl::Milliseconds(1)));
  return static_cast<int>(std::clamp<int64_t>(wait, 0, INT_MAX));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return absl::ErrnoToStatus(errno, "epoll_create1()");
  UniqueFd posted(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!posted.valid()) return absl::ErrnoToStatus(errno, "eventfd()");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(posted)));
}

Loop::Loop(UniqueFd epoll, UniqueFd posted_event)
    : epoll_(std::move(epoll)),
      posted_event_(std::move(posted_event)),
      now_(MonotonicNow()) {
  Watch(posted_event_.get(), EPOLLIN, [this](uint32_t) { RunPosted(); });
}

void Loop::Watch(int fd, uint32_t events, std::function<void(uint32_t)> ready) {
  // 31 bits, so that it fits beside the descriptor.
  const uint64_t generation = next_++ & 0x7fffffff;
  entries_[fd] = std::make_shared<Entry>(Entry{generation, std::move(ready)});
  epoll_event event = {events, {.u64 = Tag(generation, fd)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Loop::Change(int fd, uint32_t events) {
  const auto entry = entries_.find(fd);
  if (entry == entries_.end()) return;
  epoll_event event = {events, {.u64 = Tag(entry->second->generation, fd)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::Unwatch(int fd) {
  if (entries_.erase(fd) > 0)
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::At(absl::Duration time, std::function<void()> task) {
  const TimerId id = {time, next_++};
  timers_.emplace(id, std::move(task));
  return id;
}

void Loop::Post(std::function<void()> task) {
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // Not one of them is missed: the event is taken before they are.
  if (first) eventfd_write(posted_event_.get(), 1);
}

void Loop::RunPosted() {
  eventfd_t count;
  eventfd_read(posted_event_.get(), &count);
  std::vector<std::function<void()>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(posted_);
  }
  for (const std::function<void()>& task : tasks) task();
}

void Loop::Run() {
  running_ = true;
  while (running_) {
    now_ = MonotonicNow();
    absl::Duration next =
        after_turn_ ? after_turn_() : absl::InfiniteDuration();
    if (!running_) return;
    if (!timers_.empty()) next = std::min(next, timers_.begin()->first.first);

    epoll_event events[64];
    const int count =
        epoll_wait(epoll_.get(), events, 64, TimeoutMilliseconds(now_, next));
    now_ = MonotonicNow();
    for (int i = 0; i < count && running_; ++i) {
      const auto entry = entries_.find(
          static_cast<int>(static_cast<uint32_t>(events[i].data.u64)));
      if (entry == entries_.end() ||
          Tag(entry->second->generation, entry->first) != events[i].data.u64) {
        continue;
      }
      // Held, because what is called may take its own watch away.
      const std::shared_ptr<Entry> held = entry->second;
      held->ready(events[i].events);
    }
    while (running_ && !timers_.empty() &&
           timers_.begin()->first.first <= now_) {
      const std::function<void()> task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
    }
  }
}

}  // namespace specula::agent
