#include "lib/base/slow_calls.h"

#include <algorithm>
#include <deque>
#include <list>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"

namespace specula {
namespace {

using Key = std::pair<int, std::string>;  // kind and name

// Calls that may wait for the one before them with the same key.
constexpr size_t kMaxWaiting = 1024;

// As long as there is neither progress nor a call that is stuck, threads are
// what is missing; a batch then ends after so many limits.
constexpr int kMaxLimits = 10;

// What one Run or Start waits for. It ends once: when all of its calls have
// returned, or when the watchdog gives up on those that have not.
class Batch {
 public:
  Batch(absl::Duration deadline, bool certain, SlowCalls::Done done)
      : deadline_(deadline), certain_(certain), done_(std::move(done)) {}

  absl::Duration deadline() const { return deadline_; }
  // Its calls are run even if it is over.
  bool certain() const { return certain_; }

  // Before the batch is known to other threads.
  void Expect(const Key& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    pending_.insert(key);
  }
  void Refuse(const std::string& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stuck_.push_back(key);
  }

  bool over() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return done_ == nullptr;
  }

  // Whether `is_late` says so of all calls that have not returned.
  template <typename IsLate>
  bool AllLate(IsLate is_late) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return std::all_of(pending_.begin(), pending_.end(), is_late);
  }

  // Takes note that a call has returned.
  void Returned(const Key& key, const SlowCalls::Apply& apply)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    SlowCalls::Done done;
    std::vector<std::string> stuck;
    {
      absl::MutexLock lock(&mutex_);
      const bool late = done_ == nullptr || pending_.erase(key) == 0;
      // Under the lock, so that it cannot run beside `done`.
      if (apply && (certain_ || !late)) apply();
      if (late || !pending_.empty()) return;
      done = std::exchange(done_, nullptr);
      stuck = std::move(stuck_);
    }
    done(std::move(stuck));
  }

  // Ends it: sets `late` to the keys that had not returned, and returns what is
  // left to be called without any lock.
  std::function<void()> GiveUp(std::vector<Key>& late)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (done_ == nullptr) return [] {};
    late.assign(pending_.begin(), pending_.end());
    pending_.clear();
    for (const Key& key : late) stuck_.push_back(key.second);
    return [done = std::exchange(done_, nullptr), stuck = std::move(stuck_)] {
      done(stuck);
    };
  }

 private:
  const absl::Duration deadline_;  // of MonotonicNow()
  const bool certain_;
  absl::Mutex mutex_;
  absl::flat_hash_set<Key> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> stuck_ ABSL_GUARDED_BY(mutex_);
  SlowCalls::Done done_ ABSL_GUARDED_BY(mutex_);  // null once the batch is over
};

using BatchRef = std::shared_ptr<Batch>;

}  // namespace

// The threads, their lanes and the watchdog. Outlives SlowCalls for as long as
// a thread is stuck in the kernel.
class SlowCalls::Pool : public std::enable_shared_from_this<Pool> {
 public:
  explicit Pool(Options options)
      : options_(std::move(options)), kinds_(options_.kinds.size()) {
    for (const Kind& kind : options_.kinds) {
      lanes_.resize(
          std::max(lanes_.size(), static_cast<size_t>(kind.lane) + 1));
      max_threads_ += kind.most_stuck;
    }
    max_threads_ += static_cast<int>(lanes_.size());
  }

  void Run(std::vector<Call> calls, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (calls.empty()) {
      done({});
      return;
    }
    const auto batch = std::make_shared<Batch>(
        MonotonicNow() + options_.limit, /*certain=*/false, std::move(done));
    bool waits = false;
    {
      absl::MutexLock lock(&mutex_);
      for (Call& call : calls) {
        if (stopping_ || IsHopelessLocked(call)) {
          batch->Refuse(call.key);
          call.run = nullptr;
        } else {
          batch->Expect(Key(call.kind, call.key));
          waits = true;
        }
      }
      if (waits) AddLocked(std::move(calls), batch);
    }
    if (!waits) {
      std::vector<Key> none;
      batch->GiveUp(none)();
    }
  }

  void Start(Call call, std::function<void()> late)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto batch = std::make_shared<Batch>(
        MonotonicNow() + options_.limit, /*certain=*/true,
        [late = std::move(late)](const std::vector<std::string>& stuck) {
          if (!stuck.empty() && late) late();
        });
    batch->Expect(Key(call.kind, call.key));
    std::vector<Call> calls;
    calls.push_back(std::move(call));
    absl::MutexLock lock(&mutex_);
    if (!stopping_) AddLocked(std::move(calls), batch);
  }

  void WhileStill(const std::function<void()>& action)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Pool::NoneStarts));
    // They have let go of the lock for good.
    for (std::thread& thread : ended_) thread.join();
    ended_.clear();
    action();
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.SignalAll();
    watchdog_wake_.Signal();
    mutex_.Await(absl::Condition(this, &Pool::NothingDelivered));
    for (Lane& lane : lanes_) lane.line.clear();
    for (KindState& kind : kinds_) kind.waiting.clear();
    keys_.clear();
    batches_.clear();
    for (std::list<std::thread>* threads : {&threads_, &ended_}) {
      for (std::thread& thread : *threads) thread.detach();
      threads->clear();
    }
  }

 private:
  struct Job {
    Call call;
    BatchRef batch;
  };
  // The calls of one batch that a lane may begin.
  struct Turn {
    BatchRef batch;
    std::deque<Call> calls;
  };
  struct Lane {
    std::deque<Turn> line;
    bool has_hand = false;  // a thread works it off, or is asked to
  };
  struct KindState {
    int slow = 0;             // calls that have outlived the patience
    int overdue = 0;          // and the batch they belong to
    std::deque<Job> waiting;  // for one of the slow ones to return
  };
  // A key with a call that has not returned yet.
  struct KeyState {
    bool overdue = false;  // it runs, and its batch is over
    bool running = false;
    absl::Duration since;  // when it began
    std::deque<Job> waiting;
  };
  // A call that runs.
  struct Out {
    int kind;
    absl::Duration since;
    bool written_off = false;
  };

  size_t LaneOf(int kind) const {
    return static_cast<size_t>(options_.kinds[static_cast<size_t>(kind)].lane);
  }
  int MostStuck(int kind) const {
    return options_.kinds[static_cast<size_t>(kind)].most_stuck;
  }
  KindState& KindOf(int kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return kinds_[static_cast<size_t>(kind)];
  }

  bool IsHopelessLocked(const Call& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (KindOf(call.kind).overdue >= MostStuck(call.kind)) return true;
    const auto key = keys_.find(Key(call.kind, call.key));
    return key != keys_.end() &&
           (key->second.overdue || key->second.waiting.size() >= kMaxWaiting);
  }

  void AddLocked(std::vector<Call> calls, const BatchRef& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!batches_.empty() && batches_.front()->over()) batches_.pop_front();
    for (Call& call : calls) {
      if (call.run == nullptr) continue;  // refused
      auto [key, is_new] = keys_.try_emplace(Key(call.kind, call.key));
      if (is_new) {
        LineUpLocked({std::move(call), batch});
      } else {
        key->second.waiting.push_back({std::move(call), batch});
      }
    }
    batches_.push_back(batch);
    WakeWatchdogLocked();
    MakeThreadsLocked();
  }

  // The call is the first of its key: its lane may begin it.
  void LineUpLocked(Job job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t index = LaneOf(job.call.kind);
    std::deque<Turn>& line = lanes_[index].line;
    if (line.empty() || line.back().batch != job.batch)
      line.push_back({std::move(job.batch), {}});
    line.back().calls.push_back(std::move(job.call));
    AskForHandLocked(index);
  }

  void AskForHandLocked(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Lane& lane = lanes_[index];
    if (lane.has_hand || lane.line.empty()) return;
    lane.has_hand = true;
    asking_.push_back(index);
    wake_.Signal();
  }

  // Makes as many threads as lanes ask for. If the system gives none, the next
  // thread that returns serves them.
  void MakeThreadsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (idle_ + starting_ < static_cast<int>(asking_.size()) &&
           static_cast<int>(threads_.size()) < max_threads_) {
      auto place = threads_.emplace(threads_.end());
      try {
        *place = std::thread(
            [self = shared_from_this(), place] { self->Work(place); });
      } catch (const std::system_error&) {
        threads_.erase(place);
        return;
      }
      ++starting_;
    }
  }

  // Works off the lanes that ask for a hand, one at a time, until there are
  // enough idle threads without it. Has a lane only until a call outlives the
  // patience.
  void Work(std::list<std::thread>::iterator self) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    // Makes what abseil keeps for a thread while no fork can happen.
    wake_.WaitWithTimeout(&mutex_, absl::ZeroDuration());
    --starting_;
    while (!stopping_) {
      if (asking_.empty()) {
        if (idle_ >= static_cast<int>(lanes_.size())) {
          ended_.splice(ended_.end(), threads_, self);
          return;
        }
        ++idle_;
        while (asking_.empty() && !stopping_) wake_.Wait(&mutex_);
        --idle_;
        continue;
      }
      const size_t index = asking_.front();
      asking_.pop_front();
      bool has_lane = true;
      while (has_lane && !stopping_ && !lanes_[index].line.empty()) {
        has_lane = RunNextLocked(lanes_[index]);
      }
      if (has_lane) lanes_[index].has_hand = false;
    }
  }

  // Takes the next call of the lane and runs it without the lock. False if the
  // lane was given to another thread meanwhile.
  bool RunNextLocked(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Job job = TakeLocked(lane);
    if (!job.batch->certain() && job.batch->over()) {
      ReleaseLocked(Key(job.call.kind, std::move(job.call.key)));
      return true;
    }
    if (KindOf(job.call.kind).slow >= MostStuck(job.call.kind)) {
      KindOf(job.call.kind).waiting.push_back(std::move(job));
      return true;
    }
    Key key(job.call.kind, std::move(job.call.key));
    KeyState& state = keys_[key];
    state.running = true;
    state.since = MonotonicNow();
    const auto out = out_.insert(out_.end(), {key.first, state.since});
    mutex_.Unlock();
    Apply apply = job.call.run();
    job.call.run = nullptr;  // may close what hangs
    mutex_.Lock();
    const bool written_off = out->written_off;
    out_.erase(out);
    if (stopping_) return !written_off;
    if (written_off) ReturnLocked(key);
    ReleaseLocked(key);
    ++delivering_;
    mutex_.Unlock();
    job.batch->Returned(key, apply);
    apply = nullptr;
    mutex_.Lock();
    --delivering_;
    return !written_off;
  }

  static Job TakeLocked(Lane& lane) {
    Turn turn = std::move(lane.line.front());
    lane.line.pop_front();
    Job job{std::move(turn.calls.front()), turn.batch};
    turn.calls.pop_front();
    if (!turn.calls.empty()) lane.line.push_back(std::move(turn));
    return job;
  }

  // A call that was written off has returned after all.
  void ReturnLocked(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    KindState& kind = KindOf(key.first);
    --kind.slow;
    if (kind.waiting.empty()) return;
    LineUpLocked(std::move(kind.waiting.front()));
    kind.waiting.pop_front();
  }

  // The call of `key` is over: the next one may run.
  void ReleaseLocked(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto place = keys_.find(key);
    if (place == keys_.end()) return;  // Stop has forgotten it
    KeyState& state = place->second;
    if (state.overdue) --KindOf(key.first).overdue;
    state.overdue = state.running = false;
    while (!state.waiting.empty()) {
      Job next = std::move(state.waiting.front());
      state.waiting.pop_front();
      if (!next.batch->certain() && next.batch->over()) continue;
      LineUpLocked(std::move(next));
      MakeThreadsLocked();
      return;
    }
    keys_.erase(place);
  }

  // The watchdog wakes up once in a patience while calls run, at the deadlines
  // while some are stuck, and else not. It need not be told of a call that
  // begins while it sleeps for no longer than the patience.
  void WakeWatchdogLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!watchdog_made_) {
      try {
        threads_.emplace_back([self = shared_from_this()] { self->Watch(); });
      } catch (const std::system_error&) {
        return;  // the next one tries it
      }
      ++starting_;
      ++max_threads_;
      watchdog_made_ = true;
    } else if (watchdog_time_ > MonotonicNow() + options_.patience) {
      watchdog_time_ = absl::ZeroDuration();
      watchdog_wake_.Signal();
    }
  }

  void Watch() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    watchdog_wake_.WaitWithTimeout(&mutex_, absl::ZeroDuration());
    --starting_;
    while (!stopping_) {
      const absl::Duration now = MonotonicNow();
      GiveUpLocked(now);
      if (stopping_) return;
      watchdog_time_ = WriteOffLocked(now);
      if (!batches_.empty()) {
        watchdog_time_ = std::min(
            watchdog_time_,
            std::max(batches_.front()->deadline(), now + options_.patience));
      }
      if (watchdog_time_ == absl::InfiniteDuration()) {
        watchdog_wake_.Wait(&mutex_);
      } else {
        watchdog_wake_.WaitWithTimeout(&mutex_, watchdog_time_ - now);
      }
    }
  }

  // Takes the lanes away from calls that have outlived the patience; returns
  // when to look again.
  absl::Duration WriteOffLocked(absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::Duration next = absl::InfiniteDuration();
    for (Out& out : out_) {
      if (out.written_off) continue;
      if (now - out.since < options_.patience) {
        next = std::min(next, out.since + options_.patience);
        continue;
      }
      out.written_off = true;
      ++KindOf(out.kind).slow;
      lanes_[LaneOf(out.kind)].has_hand = false;
      AskForHandLocked(LaneOf(out.kind));
      // The thread that goes on is looked at in time, too.
      next = std::min(next, now + options_.patience);
    }
    MakeThreadsLocked();
    // A thread that was woken has no call yet.
    if (!asking_.empty()) next = std::min(next, now + options_.patience);
    return next;
  }

  // Ends the batches whose time is over and of which nothing moves. Lets go of
  // the lock.
  void GiveUpLocked(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!stopping_) {
      const BatchRef batch = TakeHopelessLocked(now);
      if (batch == nullptr) return;
      std::vector<Key> late;
      const std::function<void()> finish = batch->GiveUp(late);
      for (const Key& key : late) MarkOverdueLocked(key);
      ++delivering_;
      mutex_.Unlock();
      finish();
      mutex_.Lock();
      --delivering_;
    }
  }

  // Those before `place` are to be waited for; they are in the order of their
  // deadlines.
  BatchRef TakeHopelessLocked(absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto place = batches_.begin(); place != batches_.end();) {
      BatchRef batch = *place;
      if (batch->over()) {
        place = batches_.erase(place);
        continue;
      }
      if (batch->deadline() > now) break;
      const bool too_late =
          now > batch->deadline() + (kMaxLimits - 1) * options_.limit;
      if (too_late ||
          batch->AllLate([&](const Key& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
            return IsLateLocked(key, now);
          })) {
        batches_.erase(place);
        return batch;
      }
      ++place;
    }
    return nullptr;
  }

  // Whether a call, of a batch whose time is over, is stuck and not only in a
  // long line: it, or the one of its key before it, has run for the limit, or
  // all that may be stuck of its kind are.
  bool IsLateLocked(const Key& key, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto place = keys_.find(key);
    if (place == keys_.end()) return false;  // it has returned just now
    if (place->second.running)
      return now - place->second.since >= options_.limit;
    return KindOf(key.first).slow >= MostStuck(key.first);
  }

  // A key that is gone has returned just now; one that does not run waits for
  // others, which are not its fault.
  void MarkOverdueLocked(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto place = keys_.find(key);
    if (place == keys_.end() || !place->second.running ||
        place->second.overdue) {
      return;
    }
    place->second.overdue = true;
    ++KindOf(key.first).overdue;
  }

  bool NothingDelivered() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return delivering_ == 0;
  }
  bool NoneStarts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return starting_ == 0;
  }

  const Options options_;
  absl::Mutex mutex_;
  absl::CondVar wake_, watchdog_wake_;
  int max_threads_ = 0;
  std::list<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::list<std::thread> ended_ ABSL_GUARDED_BY(mutex_);
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  int starting_ ABSL_GUARDED_BY(mutex_) = 0;  // made, and not at work yet
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int delivering_ ABSL_GUARDED_BY(mutex_) = 0;  // threads between call and done
  std::vector<Lane> lanes_ ABSL_GUARDED_BY(mutex_);
  std::vector<KindState> kinds_ ABSL_GUARDED_BY(mutex_);
  std::deque<size_t> asking_ ABSL_GUARDED_BY(mutex_);  // lanes without a hand
  std::list<Out> out_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Key, KeyState> keys_ ABSL_GUARDED_BY(mutex_);
  // In the order of their deadlines; those that are over leave lazily.
  std::list<BatchRef> batches_ ABSL_GUARDED_BY(mutex_);
  bool watchdog_made_ ABSL_GUARDED_BY(mutex_) = false;
  // Until when it sleeps.
  absl::Duration watchdog_time_ ABSL_GUARDED_BY(mutex_);
};

SlowCalls::SlowCalls(Options options)
    : pool_(std::make_shared<Pool>(std::move(options))) {}

SlowCalls::~SlowCalls() { pool_->Stop(); }

void SlowCalls::Run(std::vector<Call> calls, Done done) {
  // Invariant: those before `rest` are left for the pool, in their order.
  auto rest = calls.begin();
  for (Call& call : calls) {
    if (!call.at_once) {
      if (&*rest != &call) *rest = std::move(call);
      ++rest;
    } else if (Apply apply = call.run()) {
      apply();
    }
  }
  calls.erase(rest, calls.end());
  if (calls.empty()) return done({});
  pool_->Run(std::move(calls), std::move(done));
}

void SlowCalls::Start(Call call, std::function<void()> late) {
  pool_->Start(std::move(call), std::move(late));
}

void SlowCalls::WhileStill(const std::function<void()>& action) {
  pool_->WhileStill(action);
}

}  // namespace specula
