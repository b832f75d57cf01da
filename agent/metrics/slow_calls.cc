#include "agent/metrics/slow_calls.h"

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"

namespace specula::agent {
namespace {

// Calls that may wait for the one before them with the same key.
constexpr size_t kMostWaiting = 1024;

// What one Run waits for. Either all its calls or the watchdog end it.
class Batch {
 public:
  Batch(absl::Duration deadline, SlowCalls::Done done)
      : deadline_(deadline), done_(std::move(done)) {}

  absl::Duration deadline() const { return deadline_; }

  // Before the batch is known to other threads.
  void Expect(const std::string& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    pending_.insert(key);
  }
  void Refuse(const std::string& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stuck_.push_back(key);
  }

  bool over() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return done_ == nullptr;
  }

  // A call has returned.
  void Returned(const std::string& key, const SlowCalls::Apply& apply)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    SlowCalls::Done done;
    std::vector<std::string> stuck;
    {
      absl::MutexLock lock(&mutex_);
      if (done_ == nullptr || pending_.erase(key) == 0) return;  // too late
      // Under the lock, so that it cannot run beside `done`.
      if (apply) apply();
      if (!pending_.empty()) return;
      done = std::exchange(done_, nullptr);
      stuck = std::move(stuck_);
    }
    done(std::move(stuck));
  }

  // Ends it: sets `late` to the keys that had not returned, and gives what is
  // left to be called without any lock.
  std::function<void()> GiveUp(std::vector<std::string>& late)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (done_ == nullptr) return [] {};
    late.assign(pending_.begin(), pending_.end());
    pending_.clear();
    stuck_.insert(stuck_.end(), late.begin(), late.end());
    return [done = std::exchange(done_, nullptr), stuck = std::move(stuck_)] {
      done(stuck);
    };
  }

 private:
  const absl::Duration deadline_;  // of MonotonicNow()
  absl::Mutex mutex_;
  absl::flat_hash_set<std::string> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> stuck_ ABSL_GUARDED_BY(mutex_);
  SlowCalls::Done done_ ABSL_GUARDED_BY(mutex_);  // null once the batch is over
};

}  // namespace

// The threads, their queue and the watchdog. Outlives SlowCalls for as long as
// a thread is stuck in the kernel.
class SlowCalls::Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(absl::Duration limit, int max_threads)
      : limit_(limit), max_threads_(max_threads) {}

  void Run(std::vector<Call> calls, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (calls.empty()) {
      done({});
      return;
    }
    auto batch =
        std::make_shared<Batch>(MonotonicNow() + limit_, std::move(done));
    bool waits = false;
    {
      absl::MutexLock lock(&mutex_);
      for (const Call& call : calls) {
        auto key = keys_.find(call.key);
        const bool refused =
            key != keys_.end() &&
            (key->second.overdue || key->second.waiting.size() >= kMostWaiting);
        refused ? batch->Refuse(call.key) : batch->Expect(call.key);
        waits = waits || !refused;
      }
      if (waits) {
        while (!batches_.empty() && batches_.front()->over())
          batches_.pop_front();
        for (Call& call : calls) AddLocked(std::move(call), batch);
        batches_.push_back(batch);
        StartWatchdogLocked();
      }
    }
    if (!waits) {
      std::vector<std::string> none;
      batch->GiveUp(none)();
    }
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    jobs_.clear();
    keys_.clear();
    batches_.clear();
    wake_.SignalAll();
    watchdog_wake_.Signal();
    mutex_.Await(absl::Condition(this, &Pool::NothingDelivered));
  }

 private:
  struct Job {
    Call call;
    std::shared_ptr<Batch> batch;
  };
  // A key with a call that has not returned yet.
  struct Key {
    bool overdue = false;  // it has missed its time
    std::deque<Job> waiting;
  };

  void AddLocked(Call call, const std::shared_ptr<Batch>& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto [key, is_new] = keys_.try_emplace(call.key);
    if (is_new) {
      QueueLocked({std::move(call), batch});
    } else if (!key->second.overdue) {
      key->second.waiting.push_back({std::move(call), batch});
    }
  }

  void QueueLocked(Job job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (idle_ <= static_cast<int>(jobs_.size()) && threads_ < max_threads_) {
      ++threads_;
      std::thread([self = shared_from_this()] { self->Work(); }).detach();
    }
    jobs_.push_back(std::move(job));
    wake_.Signal();
  }

  void Work() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (true) {
      Job job;
      {
        absl::MutexLock lock(&mutex_);
        ++idle_;
        while (jobs_.empty() && !stopping_) wake_.Wait(&mutex_);
        --idle_;
        if (stopping_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      const Apply apply = job.call.run();
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
        ReleaseLocked(job.call.key);
        ++delivering_;
      }
      job.batch->Returned(job.call.key, apply);
      Delivered();
    }
  }

  // A call of `key` has returned: the next one may run.
  void ReleaseLocked(const std::string& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Key& state = keys_[key];
    state.overdue = false;
    while (!state.waiting.empty()) {
      Job next = std::move(state.waiting.front());
      state.waiting.pop_front();
      if (next.batch->over()) continue;  // nobody waits for it any more
      QueueLocked(std::move(next));
      return;
    }
    keys_.erase(key);
  }

  // The watchdog sleeps until the deadline that is next and is not woken for
  // later ones, so it costs no wake-up for a batch, but one in a while when
  // there are batches.
  void StartWatchdogLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!watchdog_made_) {
      watchdog_made_ = true;
      std::thread([self = shared_from_this()] { self->Watch(); }).detach();
    } else if (watchdog_rests_) {
      watchdog_rests_ = false;
      watchdog_wake_.Signal();
    }
  }

  void Watch() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (true) {
      std::function<void()> finish;
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
        while (!batches_.empty() && batches_.front()->over())
          batches_.pop_front();
        if (batches_.empty()) {
          watchdog_rests_ = true;
          while (watchdog_rests_ && !stopping_) watchdog_wake_.Wait(&mutex_);
          continue;
        }
        const absl::Duration rest =
            batches_.front()->deadline() - MonotonicNow();
        if (rest > absl::ZeroDuration()) {
          watchdog_wake_.WaitWithTimeout(&mutex_, rest);
          continue;
        }
        std::vector<std::string> late;
        finish = batches_.front()->GiveUp(late);
        batches_.pop_front();
        // A key that is gone has returned just now.
        for (const std::string& key : late) {
          if (auto out = keys_.find(key); out != keys_.end())
            out->second.overdue = true;
        }
        ++delivering_;
      }
      finish();
      Delivered();
    }
  }

  // Stop waits for what was on its way to `done` when it came.
  void Delivered() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    --delivering_;
  }
  bool NothingDelivered() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return delivering_ == 0;
  }

  const absl::Duration limit_;
  const int max_threads_;
  absl::Mutex mutex_;
  absl::CondVar wake_, watchdog_wake_;
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int delivering_ ABSL_GUARDED_BY(mutex_) = 0;  // threads between call and done
  bool watchdog_made_ ABSL_GUARDED_BY(mutex_) = false;
  bool watchdog_rests_ ABSL_GUARDED_BY(mutex_) =
      false;  // until there is a batch again
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Key> keys_ ABSL_GUARDED_BY(mutex_);
  // In the order of their deadlines; those that are over leave lazily.
  std::deque<std::shared_ptr<Batch>> batches_ ABSL_GUARDED_BY(mutex_);
};

SlowCalls::SlowCalls(absl::Duration limit, int max_threads)
    : pool_(std::make_shared<Pool>(limit, max_threads)) {}

SlowCalls::~SlowCalls() { pool_->Stop(); }

void SlowCalls::Run(std::vector<Call> calls, Done done) {
  pool_->Run(std::move(calls), std::move(done));
}

}  // namespace specula::agent
