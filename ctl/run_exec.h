#ifndef SPECULA_CTL_RUN_EXEC_H_
#define SPECULA_CTL_RUN_EXEC_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// How an Exec is rolled out and shown.
struct ExecForm {
  absl::Duration answer_within = absl::Seconds(5);  // from a host's begin on
  bool raw = false;
  // The rest is of a batch; what asks for that form, also for one host, is
  // AsksForBatch.
  bool json = false;
  std::optional<bool> fold;
  std::optional<bool> live;
  bool diff = false;
  std::string directory;
  bool forget = false;  // keep it in no ledger
  // Enter shows who is still running; not if standard input is the command's.
  bool keys = true;
  size_t width = 0;  // so many at a time; 0: all
  // N or N% of the hosts; empty: as --help of exec says.
  std::string canary;
  std::string group;
  std::string most_failed;
};

bool AsksForBatch(const ExecForm& form);

// Runs a command on hosts in the foreground, to its end or to Ctrl-C: one host
// as an ExecSession, many as a Batch with its report. Gives the exit code.
// Targets whose channel is open keep it; others have one while they run.
int RunExecOn(ClosedFleet& fleet, const v1::ExecRequest& request,
              const ExecForm& form, Interrupt& interrupt);

// The same in the form of a batch, also for one host.
int RunBatchOn(ClosedFleet& fleet, const v1::ExecRequest& request,
               const ExecForm& form, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_RUN_EXEC_H_
