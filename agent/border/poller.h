#ifndef SPECULA_AGENT_BORDER_POLLER_H_
#define SPECULA_AGENT_BORDER_POLLER_H_

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A thread that waits for sockets, for tasks of other threads and for one
// moment. Plain epoll, as each byte of each connection comes by here.
class Poller {
 public:
  // What the thread works for. Its functions run on the thread alone.
  class Client {
   public:
    // `key` is ready for `events` (EPOLLIN and the like).
    virtual void OnReady(uint64_t key, uint32_t events) = 0;
    // The moment has come; the next is what NextMoment says.
    virtual void OnMoment() = 0;
    // When to call OnMoment next, by MonotonicNow(); InfiniteDuration: never.
    virtual absl::Duration NextMoment() const = 0;

   protected:
    ~Client() = default;
  };

  // RESOURCE_EXHAUSTED without descriptors.
  absl::Status Open();

  // Starts the thread. `client` must live until Stop.
  void Start(Client& client);

  // Ends the thread after what it does now; tasks that are left are dropped.
  // Not on the thread. Does nothing the second time.
  void Stop();
  ~Poller() { Stop(); }

  // Waits for `events` of `fd` besides its end. False without memory.
  bool Add(int fd, uint64_t key, uint32_t events);
  void Change(int fd, uint64_t key, uint32_t events);
  void Remove(int fd);

  // Runs `task` on the thread, soon. Thread-safe.
  void Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run(Client& client);
  void RunTasks() ABSL_LOCKS_EXCLUDED(mutex_);

  UniqueFd epoll_, wake_;
  std::thread thread_;
  absl::Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_POLLER_H_
