#include "agent/broker/off_loop.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace specula::agent {
namespace {

// In the order of MayHang. Users have a lane of their own, as every Exec waits
// for them.
SlowCalls::Options Kinds() {
  SlowCalls::Options options;
  options.kinds = {
      {.lane = 0, .most_stuck = 1},    // kUsers: one key
      {.lane = 1, .most_stuck = 32},   // kProcesses
      {.lane = 1, .most_stuck = 1},    // kState: one key
      {.lane = 2, .most_stuck = 128},  // kFiles
      {.lane = 2, .most_stuck = 32},   // kMoreFiles
      {.lane = 3, .most_stuck = 64},   // kClosing
  };
  options.limit = OffLoop::kLimit;
  // As many files as may hang have held up their lane together well before the
  // next one is given up.
  options.patience = absl::Milliseconds(5);
  return options;
}

}  // namespace

OffLoop::OffLoop(
    Loop* loop,
    std::function<void(MayHang kind, const std::string& key)> before)
    : way_(std::make_shared<Way>(loop)),
      before_(std::move(before)),
      calls_(Kinds()) {}

OffLoop::~OffLoop() { way_->Cut(); }

void OffLoop::Way::Post(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (loop_ != nullptr) loop_->Post(std::move(task));
}

void OffLoop::Way::Cut() {
  absl::MutexLock lock(&mutex_);
  loop_ = nullptr;
}

SlowCalls::Call OffLoop::Wrap(Call call) const {
  if (before_) {
    call.work = [before = before_, kind = call.kind, key = call.key,
                 work = std::move(call.work)] {
      before(kind, key);
      work();
    };
  }
  return {static_cast<int>(call.kind), std::move(call.key),
          [work = std::move(call.work)] {
            work();
            return SlowCalls::Apply();
          }};
}

void OffLoop::Run(std::vector<Call> calls, std::function<void()> done) {
  std::vector<SlowCalls::Call> slow;
  slow.reserve(calls.size());
  for (Call& call : calls) slow.push_back(Wrap(std::move(call)));
  calls_.Run(std::move(slow),
             [way = way_, done = std::move(done)](auto) { way->Post(done); });
}

void OffLoop::RunSurely(Call call, std::function<void()> done) {
  // Said by the call itself or because it is late, whichever comes first.
  auto said = std::make_shared<std::atomic<bool>>(false);
  const auto say = [way = way_, said, done = std::move(done)] {
    if (!said->exchange(true)) way->Post(done);
  };
  call.work = [work = std::move(call.work), say] {
    work();
    say();
  };
  calls_.Start(Wrap(std::move(call)), say);
}

void OffLoop::Wait(std::vector<Call> calls, absl::Duration limit) {
  const auto over = std::make_shared<absl::Notification>();
  std::vector<SlowCalls::Call> slow;
  slow.reserve(calls.size());
  for (Call& call : calls) slow.push_back(Wrap(std::move(call)));
  calls_.Run(std::move(slow), [over](auto) { over->Notify(); });
  over->WaitForNotificationWithTimeout(limit);
}

void OffLoop::Close(UniqueFd fd) {
  if (!fd.valid()) return;
  ++*closing_;
  auto owned = std::make_shared<UniqueFd>(std::move(fd));
  calls_.Start(Wrap({MayHang::kClosing, absl::StrCat(++next_close_),
                     [owned, closing = closing_] {
                       owned->Reset();
                       --*closing;
                     }}),
               {});
}

std::shared_ptr<const UniqueFd> OffLoop::Held(UniqueFd fd) {
  return std::shared_ptr<const UniqueFd>(
      new UniqueFd(std::move(fd)), [this](const UniqueFd* held) {
        Close(std::move(*const_cast<UniqueFd*>(held)));
        delete held;
      });
}

}  // namespace specula::agent
