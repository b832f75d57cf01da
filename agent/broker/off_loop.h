#ifndef SPECULA_AGENT_BROKER_OFF_LOOP_H_
#define SPECULA_AGENT_BROKER_OFF_LOOP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/broker/loop.h"
#include "lib/base/slow_calls.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What of the broker's work may hang, apart by what it may hang on.
enum class MayHang : int {
  kUsers,      // /etc/passwd and /etc/group
  kProcesses,  // /proc/PID/environ, and the list of mounts
  kState,      // the state directory
  kFiles,      // what a caller names
  kMoreFiles,  // many of one mount
  kClosing,    // close() of it
};

// What a call on another thread has found. A handle; copies share it.
template <typename T>
class Found {
 public:
  // On the other thread, once. What comes after Take goes away in here.
  void Set(T value) const {
    State& state = *state_;
    state.value.emplace(std::move(value));
    // The second to come has the value.
    if (state.settled.exchange(true)) state.value.reset();
  }

  // On the thread that asked, once: nothing if it has not come.
  std::optional<T> Take() const {
    State& state = *state_;
    if (!state.settled.exchange(true)) return std::nullopt;
    return std::exchange(state.value, std::nullopt);
  }

 private:
  struct State {
    std::atomic<bool> settled = false;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// Does what the kernel may never return from on threads of its own, so that
// whatever hangs costs a thread and never the broker's loop. That touches
// sockets, pipes, timers, pidfds and control groups only; whatever touches a
// path of a file system, or a file that others hold, is done here, and
// tests/agent/blocking_calls.txt says why each system call that is left cannot
// hang. Loop thread only, but for Close and Held.
class OffLoop {
 public:
  // From asking to the answer, whatever happens.
  static constexpr absl::Duration kLimit = absl::Seconds(1);

  struct Call {
    MayHang kind;
    std::string key;             // names what may hang
    std::function<void()> work;  // on another thread; owns all it touches
  };

  // `before` runs before each call, on its thread; for tests. The loop must
  // outlive this.
  explicit OffLoop(
      Loop* loop,
      std::function<void(MayHang kind, const std::string& key)> before = {});
  ~OffLoop();
  OffLoop(const OffLoop&) = delete;

  // Runs all of `calls`, which have different keys, then `done` on the loop,
  // never before this returns; after kLimit whether they have returned or not.
  // What waits behind a call that hangs is not begun any more then.
  void Run(std::vector<Call> calls, std::function<void()> done);

  // The same for one call that is to happen however late, as a write.
  void RunSurely(Call call, std::function<void()> done);

  // As Run, and waits for it, for at most `limit`.
  void Wait(std::vector<Call> calls, absl::Duration limit);

  // Closes it on another thread: a file of FUSE is flushed then, which may hang
  // as an open does. From any thread.
  void Close(UniqueFd fd);

  // A descriptor that is closed so by its last owner. This must outlive it.
  std::shared_ptr<const UniqueFd> Held(UniqueFd fd);

  // How many descriptors wait to be closed, or for the kernel to do it.
  size_t closing() const { return *closing_; }

  // Forks in `fork` while no thread holds what the child will need.
  void Fork(const std::function<void()>& fork) { calls_.WhileStill(fork); }

 private:
  // The way back, for calls that may outlive this.
  class Way {
   public:
    explicit Way(Loop* loop) : loop_(loop) {}
    void Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);
    void Cut() ABSL_LOCKS_EXCLUDED(mutex_);

   private:
    absl::Mutex mutex_;
    Loop* loop_ ABSL_GUARDED_BY(mutex_);  // null once it is cut
  };

  SlowCalls::Call Wrap(Call call) const;

  const std::shared_ptr<Way> way_;
  std::function<void(MayHang, const std::string&)> before_;
  std::shared_ptr<std::atomic<size_t>> closing_ =
      std::make_shared<std::atomic<size_t>>(0);
  std::atomic<uint64_t> next_close_ = 0;
  SlowCalls calls_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_OFF_LOOP_H_
