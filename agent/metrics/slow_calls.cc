#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/metrics/slow_calls.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace specula::agent {

// The threads and their queue. Outlives SlowCalls for as long as a thread is
// stuck in the kernel.
class SlowCalls::Pool : public std::enable_shared_from_this<Pool> {
 public:
  explicit Pool(int max_threads) : max_threads_(max_threads) {}

  // False if every thread there may be is busy and so is the queue: all stuck.
  bool Add(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (idle_ <= static_cast<int>(jobs_.size())) {
      if (threads_ == max_threads_ && jobs_.size() >= kMaxQueued) return false;
      if (threads_ < max_threads_) {
        ++threads_;
        std::thread([self = shared_from_this()] { self->Work(); }).detach();
      }
    }
    jobs_.push_back(std::move(job));
    wake_.Signal();
    return true;
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    jobs_.clear();
    wake_.SignalAll();
  }

 private:
  static constexpr size_t kMaxQueued = 1024;

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
  // Keys of calls that have not returned yet. Loop thread only.
  absl::flat_hash_set<std::string> out;
  // Whether the loop is still there to be posted to. Guarded by its own lock, which
  // a thread holds while it posts.
  absl::Mutex loop_mutex;
  bool loop_gone ABSL_GUARDED_BY(loop_mutex) = false;
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
    const std::string key = call.key;
    if (pool_->out.contains(key)) {
      batch->stuck.push_back(key);
      continue;
    }
    // The thread holds the batch weakly: its timer must not outlive the loop.
    const bool added = pool_->Add([&loop = loop_, weak = std::weak_ptr<Batch>(batch),
                                   pool = pool_, key, run = std::move(call.run)] {
      Apply apply = run();
      absl::MutexLock lock(&pool->loop_mutex);
      if (pool->loop_gone) return;
      boost::asio::post(loop, [weak, pool, key, apply = std::move(apply)] {
        pool->out.erase(key);
        std::shared_ptr<Batch> batch = weak.lock();
        if (batch == nullptr || batch->pending.erase(key) == 0) return;  // too late
        if (apply) apply();
        if (batch->pending.empty()) Finish(batch);
      });
    });
    if (!added) {
      batch->stuck.push_back(key);
      continue;
    }
    pool_->out.insert(key);
    batch->pending.insert(key);
  }
  if (batch->pending.empty()) {
    boost::asio::post(loop_, [batch] { Finish(batch); });
    return;
  }
  batch->timer.expires_after(absl::ToChronoNanoseconds(limit));
  batch->timer.async_wait([batch](const boost::system::error_code& error) {
    if (error) return;  // all came in time
    for (const std::string& key : batch->pending) batch->stuck.push_back(key);
    batch->pending.clear();
    Finish(batch);
  });
}

void SlowCalls::Finish(const std::shared_ptr<Batch>& batch) {
  if (!batch->done) return;
  batch->timer.cancel();
  auto done = std::exchange(batch->done, nullptr);
  done(std::move(batch->stuck));
}

}  // namespace specula::agent
