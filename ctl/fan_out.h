#ifndef SPECULA_CTL_FAN_OUT_H_
#define SPECULA_CTL_FAN_OUT_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/outcome.h"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "ctl/target.h"
#include "lib/base/clock.h"

namespace specula::ctl {

// What one host answered. The answer is valid if the outcome is ok.
template <typename Response>
struct HostResult {
  Ending ending;
  Response response;
  absl::Duration elapsed;
};

// What AskAll has in common for its two kinds of fleets. `open(i)` gives the
// client of a host whose turn it is, `close(i)` lets it go after its answer,
// some time later: here and not on a thread of gRPC.
template <typename Response, typename Open, typename Begin, typename Close>
std::vector<HostResult<Response>> AskEach(const std::vector<Target>& targets,
                                          Interrupt& interrupt, Open open,
                                          Begin begin, Close close) {
  struct Shared {
    absl::Mutex mutex;
    size_t open ABSL_GUARDED_BY(mutex) = 0;
    std::vector<HostResult<Response>> results ABSL_GUARDED_BY(mutex);
    // Who has answered and is not closed yet.
    std::vector<size_t> done ABSL_GUARDED_BY(mutex);
  };
  auto shared = std::make_shared<Shared>();
  {
    absl::MutexLock lock(&shared->mutex);
    shared->open = targets.size();
    shared->results.resize(targets.size());
  }
  std::vector<AgentClient::Call> calls(targets.size());
  auto close_done = [&] {
    std::vector<size_t> done;
    {
      absl::MutexLock lock(&shared->mutex);
      if (shared->done.size() <= kMostKept) return;
      done.swap(shared->done);
    }
    for (const size_t i : done) {
      calls[i].reset();
      close(i);
    }
  };
  const absl::Time start = SteadyNow();
  // Those before `i` are asked, and of them no more than kMostKept are both
  // done and open.
  for (size_t i = 0; i < targets.size(); ++i) {
    close_done();
    calls[i] = begin(
        open(i), [shared, i, start, endpoint = &targets[i].endpoint,
                  wake = interrupt.waker()](absl::StatusOr<Response> answer) {
          HostResult<Response> result;
          result.ending = ClassifyEnding(answer.status(), *endpoint);
          result.elapsed = SteadyNow() - start;
          if (answer.ok()) result.response = *std::move(answer);
          absl::MutexLock lock(&shared->mutex);
          shared->results[i] = std::move(result);
          shared->done.push_back(i);
          if (--shared->open == 0 || shared->done.size() == kMostKept + 1) {
            wake();
          }
        });
  }
  bool cancelled = false;
  while (true) {
    close_done();
    {
      absl::MutexLock lock(&shared->mutex);
      if (shared->open == 0) return std::move(shared->results);
    }
    if (interrupt.Wait(absl::InfiniteDuration()) && !cancelled) {
      cancelled = true;
      for (const AgentClient::Call& call : calls) {
        if (call != nullptr) call->Cancel();
      }
    }
  }
}

// Asks all targets at once and waits for all of them, or until `interrupt`:
// then the calls that are open are cancelled, and their ending says so. Results
// are in the order of the targets. `begin` starts one call:
//   PendingCall begin(AgentClient&,
//   std::function<void(absl::StatusOr<Response>)>)
// Their channels are there, and stay.
template <typename Response, typename Begin>
std::vector<HostResult<Response>> AskAll(const std::vector<Target>& targets,
                                         Interrupt& interrupt, Begin begin) {
  return AskEach<Response>(
      targets, interrupt,
      [&](size_t i) -> AgentClient& { return *targets[i].client; }, begin,
      [](size_t) {});
}

// The same for a fleet whose channels are made when a host's turn comes and,
// but for kMostKept, given up after its answer, unless it came with an open
// one.
template <typename Response, typename Begin>
std::vector<HostResult<Response>> AskAll(ClosedFleet& fleet,
                                         Interrupt& interrupt, Begin begin) {
  std::vector<bool> ours(fleet.targets.size());
  return AskEach<Response>(
      fleet.targets, interrupt,
      [&](size_t i) -> AgentClient& {
        if (fleet.targets[i].client == nullptr) {
          ours[i] = true;
          OpenTarget(fleet.targets[i], fleet.credentials);
        }
        return *fleet.targets[i].client;
      },
      begin,
      [&](size_t i) {
        if (ours[i]) fleet.targets[i].client.reset();
      });
}

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FAN_OUT_H_
