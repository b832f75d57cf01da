#include "agent/border/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "lib/base/clock.h"

namespace specula::agent {
namespace {

constexpr uint64_t kWake = ~uint64_t{0};
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

absl::Status Poller::Open() {
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return absl::ErrnoToStatus(errno, "epoll_create1");
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  if (!Add(wake_.get(), kWake, EPOLLIN))
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  return absl::OkStatus();
}

void Poller::Start(Client& client) {
  thread_ = std::thread([this, &client] { Run(client); });
}

void Poller::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

bool Poller::Add(int fd, uint64_t key, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = key;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::Change(int fd, uint64_t key, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = key;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::Remove(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::Post(std::function<void()> task) {
  {
    absl::MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // it is awake already
  }
  eventfd_write(wake_.get(), 1);
}

void Poller::RunTasks() {
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  std::vector<std::function<void()>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
  }
  for (std::function<void()>& task : tasks) task();
}

// At the head of the loop all that was ready has been told to the client.
void Poller::Run(Client& client) {
  epoll_event events[128];
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return;
    }
    const absl::Duration moment = client.NextMoment();
    int wait = -1;
    if (moment != absl::InfiniteDuration()) {
      // A millisecond more: what is waited for is over then.
      wait = static_cast<int>(absl::ToInt64Milliseconds(
          std::clamp(moment - MonotonicNow() + absl::Milliseconds(1),
                     absl::ZeroDuration(), kLongestWait)));
    }
    const int count = epoll_wait(epoll_.get(), events, std::size(events), wait);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kWake) {
        RunTasks();
      } else {
        client.OnReady(events[i].data.u64, events[i].events);
      }
    }
    if (moment <= MonotonicNow()) client.OnMoment();
  }
}

}  // namespace specula::agent
