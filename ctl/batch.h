#ifndef SPECULA_CTL_BATCH_H_
#define SPECULA_CTL_BATCH_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "clients/cpp/exec_call.h"
#include "clients/cpp/outcome.h"
#include "ctl/fleet.h"
#include "ctl/gather.h"
#include "ctl/inbox.h"
#include "ctl/interrupt.h"
#include "ctl/roll.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// What happens in a batch, told on the thread of Run. Hosts are spoken of by
// their place among the targets.
struct BatchEvents {
  // The host is being asked to run the command.
  std::function<void(size_t host)> began;
  // Bytes came. No more come from this host until `taken` was called, from any
  // thread.
  std::function<void(size_t host, OutputStream, std::string bytes,
                     std::function<void()> taken)>
      output;
  // Once for each host, also for those that were never begun.
  std::function<void(size_t host, const CommandEnding&, absl::Duration elapsed)>
      ended;
  // Again and again, a few times a second. False: nobody wants to know any
  // more, and all is to be ended.
  std::function<bool()> turn;
  // The second Ctrl-C: whatever waits to be shown is to be let go.
  std::function<void()> leave;
};

// Runs one command on many hosts and waits for all of them.
//
// Who begins when is the Roll's; channels are made when a host's turn comes and
// given up at its end, unless it came with an open one. No host waits for
// another: each has its own stream, which pauses when its bytes are not taken.
//
// The first Ctrl-C begins nobody further and ends what runs, as ExecSession
// does: Kill with TERM to each tree, after the grace and 2 s Kill with KILL,
// and waits for the proof; where there is none the call is cancelled and that
// is said. The second one leaves at once.
//
// One thread: the one that calls Run.
class Batch {
 public:
  struct Options {
    Roll::Options roll;
    absl::Duration answer_within;  // from a host's begin to its `started`
  };

  Batch(ClosedFleet& fleet, Interrupt& interrupt, const Options& options,
        BatchEvents events);
  ~Batch();

  // Runs to the end. Once.
  void Run(const v1::ExecRequest& request);

  // Hosts that have begun and not ended, those that began first in front.
  struct Running {
    size_t host;
    absl::Time since;
  };
  std::vector<Running> RunningHosts() const;
  size_t ended() const { return ended_; }
  size_t failed() const { return failed_; }

  // After Run.
  bool interrupted() const { return interrupted_; }
  // Who had begun and not ended when Ctrl-C came, and of whom there is no proof
  // that their processes have ended.
  const std::vector<size_t>& unfinished() const { return unfinished_; }
  const std::vector<size_t>& unproved() const { return unproved_; }

 private:
  struct Host;
  enum class Phase { kRunning, kTerminating, kKilling, kLeaving };

  ExecEvents EventsOf(size_t host);
  void BeginWhoMay(const v1::ExecRequest& request);
  void Begin(size_t host, const v1::ExecRequest& request);
  void OnFinished(size_t host, const absl::Status& status);
  void OnKillAnswer(size_t host, const absl::Status& status);
  void OnFirstInterrupt();
  void OnPhaseOver();
  void SendKill(size_t host, bool force);
  // Cancels the call of a host; `why` there will be no proof.
  void Leave(size_t host, const std::string& why);
  void LeaveAll(const std::string& why);
  void End(size_t host, const CommandEnding& ending);
  void CloseDone();
  void EndWhoNeverBegan();
  template <typename Act>
  void ForRunning(Act act);
  absl::Duration WaitLimit() const;

  ClosedFleet& fleet_;
  Interrupt& interrupt_;
  Interrupt second_;  // an Interrupt tells of the first signal only
  const Options options_;
  const Roll roll_;
  const BatchEvents events_;
  const std::shared_ptr<Inbox> inbox_;
  std::vector<Host> hosts_;
  absl::Duration grace_;
  absl::Duration limit_ = absl::InfiniteDuration();  // of a host's whole call
  size_t began_ = 0;
  size_t ended_ = 0;
  size_t failed_ = 0;
  std::vector<size_t> done_;  // whose channels are still to be closed
  Phase phase_ = Phase::kRunning;
  absl::Time phase_end_ = absl::InfiniteFuture();
  bool interrupted_ = false;
  bool interrupted_twice_ = false;
  bool abandoned_ = false;
  std::vector<size_t> unfinished_;
  std::vector<size_t> unproved_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BATCH_H_
