#ifndef SPECULA_CTL_EXEC_SESSION_H_
#define SPECULA_CTL_EXEC_SESSION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "clients/cpp/exec_call.h"
#include "ctl/fan_out.h"
#include "ctl/interrupt.h"
#include "ctl/output_writer.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// One Exec on one host in the foreground: its output here as it comes, its end
// as our exit code, and Ctrl-C as the end of what runs there.
//
// The first Ctrl-C sends TERM to the remote tree by Kill and reads on, until
// `exited` proves that the tree has ended; after the grace and 2 s more it
// sends KILL. Where Kill is not to be had the call is cancelled, which ends the
// tree as well, but proves nothing; that is said. The second Ctrl-C cancels and
// leaves at once. Whoever stops reading our output (EPIPE) ends the tree too.
//
// One thread: the one that calls Run.
class ExecSession {
 public:
  struct Options {
    absl::Duration answer_within;  // for `started`, and for each Kill
    bool raw = false;              // no TerminalFilter
  };

  ExecSession(const Target& target, Interrupt& interrupt, Options options);

  // Runs to the end; gives the exit code. Once.
  int Run(const v1::ExecRequest& request);

 private:
  struct Progress;
  enum class Phase {
    kRunning,
    kTerminating,  // Kill with TERM is out
    kKilling,      // Kill with KILL is out
    kLeaving       // the call is cancelled; only its end is waited for
  };

  ExecEvents Events() const;
  // Whether there is nothing left to wait for.
  bool Over();
  // Looks at what has happened and does what is due.
  void Turn();
  void OnFirstInterrupt();
  void OnSecondInterrupt();
  void OnPhaseOver();
  void OnKillAnswer(const absl::Status& status);
  void SendKill(bool force);
  void Leave(absl::Duration within, std::string why);
  void FinishOutput();
  absl::Duration WaitLimit() const;
  std::string InterruptLine() const;
  int Conclude();

  const Target& target_;
  Interrupt& interrupt_;
  Interrupt second_;  // an Interrupt tells of the first signal only
  const Options options_;
  const std::function<void()> wake_;
  const std::shared_ptr<OutputWriter> writer_;
  const std::shared_ptr<Progress> progress_;
  std::shared_ptr<ExecCall> call_;
  std::vector<AgentClient::Call> kills_;
  absl::Duration grace_;
  Phase phase_ = Phase::kRunning;
  absl::Time phase_end_ = absl::InfiniteFuture();
  bool interrupted_ = false;
  bool interrupted_twice_ = false;
  bool output_finished_ = false;
  std::string no_proof_;  // why there is none, once there will be none
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_EXEC_SESSION_H_
