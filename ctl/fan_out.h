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

// Asks all targets at once and waits for all of them, or until `interrupt`:
// then the calls that are open are cancelled, and their ending says so. Results
// are in the order of the targets. `begin` starts one call:
//   PendingCall begin(AgentClient&,
//   std::function<void(absl::StatusOr<Response>)>)
template <typename Response, typename Begin>
std::vector<HostResult<Response>> AskAll(const std::vector<Target>& targets,
                                         Interrupt& interrupt, Begin begin) {
  struct Shared {
    absl::Mutex mutex;
    size_t open ABSL_GUARDED_BY(mutex) = 0;
    std::vector<HostResult<Response>> results ABSL_GUARDED_BY(mutex);
  };
  auto shared = std::make_shared<Shared>();
  {
    absl::MutexLock lock(&shared->mutex);
    shared->open = targets.size();
    shared->results.resize(targets.size());
  }
  std::vector<AgentClient::Call> calls;
  calls.reserve(targets.size());
  const absl::Time start = SteadyNow();
  for (size_t i = 0; i < targets.size(); ++i) {
    calls.push_back(
        begin(*targets[i].client,
              [shared, i, start, endpoint = &targets[i].endpoint,
               wake = interrupt.waker()](absl::StatusOr<Response> answer) {
                HostResult<Response> result;
                result.ending = ClassifyEnding(answer.status(), *endpoint);
                result.elapsed = SteadyNow() - start;
                if (answer.ok()) result.response = *std::move(answer);
                absl::MutexLock lock(&shared->mutex);
                shared->results[i] = std::move(result);
                if (--shared->open == 0) wake();
              }));
  }
  bool cancelled = false;
  while (true) {
    {
      absl::MutexLock lock(&shared->mutex);
      if (shared->open == 0) return std::move(shared->results);
    }
    if (interrupt.Wait(absl::InfiniteDuration()) && !cancelled) {
      cancelled = true;
      for (const AgentClient::Call& call : calls) call->Cancel();
    }
  }
}

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FAN_OUT_H_
