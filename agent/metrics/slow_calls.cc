#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/metrics/slow_calls.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace specula::agent {
namespace {

// Calls that may wait for the one before them with the same key.
constexpr size_t kMostWaiting = 1024;

}  // namespace

// The threads and their queue. Outlives SlowCalls for as long as a thread is
// stuck in the kernel.
class SlowCalls::Pool : public std::enable_shared_from_this<Pool> {
 public:
  explicit Pool(int max_threads) : max_threads_(max_threads) {}

  // Queues a job. The queue is bounded by the number of keys.
  void Add(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (idle_ <= static_cast<int>(jobs_.size()) && threads_ < max_threads_) {
      ++threads_;
      std::thread([self = shared_from_this()] { self->Work(); }).detach();
    }
    jobs_.push_back(std::move(job));
    wake_.Signal();
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    jobs_.clear();
    wake_.SignalAll();
  }

 private:
  void Work() {
    while (true) {
      std::function<void()> job;
      {
        absl::MutexLock lock(&mutex_);
        ++idle_;
        while (jobs_.empty() && !stopping_) wake_.Wait(&mutex_);
        --idle_;
        if (stopping_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  const int max_threads_;
  absl::Mutex mutex_;
  absl::CondVar wake_;
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);

 public:
  // What is known of one key. There is never more than one thread in the calls of a
  // key, so one dead file system costs one thread however often it is asked for.
  struct Key {
    bool overdue = false;  // the call that is out has missed its time
    std::deque<std::pair<Call, std::weak_ptr<Batch>>> waiting;
  };
  // Keys with a call that has not returned yet. Loop thread only.
  absl::flat_hash_map<std::string, Key> out;
  // Whether the loop is still there to be posted to; a thread holds the lock while it
  // posts.
  absl::Mutex loop_mutex;
  bool loop_gone ABSL_GUARDED_BY(loop_mutex) = false;
  bool LoopGone() ABSL_LOCKS_EXCLUDED(loop_mutex) {
    absl::MutexLock lock(&loop_mutex);
    return loop_gone;
  }
};

struct SlowCalls::Batch {
  explicit Batch(boost::asio::io_context& loop) : timer(loop) {}
  boost::asio::steady_timer timer;
  absl::flat_hash_set<std::string> pending;
  std::vector<std::string> stuck;
  std::function<void(std::vector<std::string>)> done;  // empty once called
};

SlowCalls::SlowCalls(boost::asio::io_context& loop, int max_threads)
    : loop_(loop), pool_(std::make_shared<Pool>(max_threads)) {}

SlowCalls::~SlowCalls() {
  pool_->Stop();
  absl::MutexLock lock(&pool_->loop_mutex);
  pool_->loop_gone = true;
}

void SlowCalls::Run(std::vector<Call> calls, absl::Duration limit,
                    std::function<void(std::vector<std::string>)> done) {
  auto batch = std::make_shared<Batch>(loop_);
  batch->done = std::move(done);
  for (Call& call : calls) {
    auto known = pool_->out.find(call.key);
    if (known == pool_->out.end()) {
      pool_->out.try_emplace(call.key);
      batch->pending.insert(call.key);
      Begin(std::move(call), batch);
    } else if (known->second.overdue || known->second.waiting.size() >= kMostWaiting) {
      batch->stuck.push_back(call.key);
    } else {
      batch->pending.insert(call.key);
      known->second.waiting.emplace_back(std::move(call), batch);
    }
  }
  if (batch->pending.empty()) {
    boost::asio::post(loop_, [batch] { Finish(batch); });
    return;
  }
  batch->timer.expires_after(absl::ToChronoNanoseconds(limit));
  batch->timer.async_wait([pool = pool_, batch](const boost::system::error_code& error) {
    if (error) return;  // all came in time
    for (const std::string& key : batch->pending) {
      batch->stuck.push_back(key);
      if (auto late = pool->out.find(key); late != pool->out.end()) late->second.overdue = true;
    }
    batch->pending.clear();
    Finish(batch);
  });
}

void SlowCalls::Begin(Call call, const std::weak_ptr<Batch>& batch) {
  // The thread holds the batch weakly: its timer must not outlive the loop.
  pool_->Add([this, pool = pool_, batch, key = std::move(call.key), run = std::move(call.run)] {
    Apply apply = run();
    absl::MutexLock lock(&pool->loop_mutex);
    if (pool->loop_gone) return;
    boost::asio::post(loop_, [this, pool, batch, key, apply = std::move(apply)] {
      // The object may have been destroyed since this was posted.
      if (!pool->LoopGone()) Returned(key, batch.lock(), apply);
    });
  });
}

void SlowCalls::Returned(const std::string& key, const std::shared_ptr<Batch>& batch,
                         const Apply& apply) {
  Pool::Key& state = pool_->out.find(key)->second;
  state.overdue = false;
  bool busy = false;
  while (!busy && !state.waiting.empty()) {
    auto [next, next_batch] = std::move(state.waiting.front());
    state.waiting.pop_front();
    if (next_batch.expired()) continue;  // nobody waits for it any more
    Begin(std::move(next), next_batch);
    busy = true;
  }
  if (!busy) pool_->out.erase(key);
  if (batch == nullptr || batch->pending.erase(key) == 0) return;  // too late
  if (apply) apply();
  if (batch->pending.empty()) Finish(batch);
}

void SlowCalls::Finish(const std::shared_ptr<Batch>& batch) {
  if (!batch->done) return;
  batch->timer.cancel();
  auto done = std::exchange(batch->done, nullptr);
  done(std::move(batch->stuck));
}

}  // namespace specula::agent
