#ifndef SPECULA_CLIENTS_CPP_OUTCOME_H_
#define SPECULA_CLIENTS_CPP_OUTCOME_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "clients/cpp/channel.h"
#include "specula/v1/specula.pb.h"

namespace specula {

// The words for how a call to one host ended, the same in tables, JSON and
// documents.
enum class Outcome {
  kOk,
  kExit,         // the command exited with another code than 0
  kSignal,       // the command died by a signal
  kTruncated,    // the command exited with 0, but output was thrown away
                 // because of the limit
  kTimeout,      // the command, or the host that was reached, took too long
  kUnreachable,  // no connection: wrong name, no route, nothing listens, no
                 // answer
  kRefused,      // one side did not accept the other's certificate
  kDenied,       // the role or a policy of the host forbids it
  kLost,         // the agent went away in the middle of the call
  kFailed,   // the agent answered with another error, or with what is no answer
  kSkipped,  // not begun: the batch had been stopped before its turn
};

// "ok", "timeout", "unreachable", …; "exit" and "signal" without their number.
absl::string_view OutcomeName(Outcome outcome);

// How a call ended, and why, in words for a person: what happened and what to
// look at. One line, safe for a terminal.
struct Ending {
  Outcome outcome = Outcome::kOk;
  std::string reason;  // empty if ok
};

// Reads the ending of a call from its CallStatus. gRPC tells a refused
// certificate and a dead network by the same code, so its message is read as
// well; those of gRPC 1.51 are in the tests. Pure.
Ending ClassifyEnding(const absl::Status& status, const Endpoint& endpoint);

// The same of a stream. `begun`: something had come from the agent, so that
// what is wrong with the way to it is that it was lost. Pure.
Ending ClassifyStream(const absl::Status& status, bool begun,
                      const Endpoint& endpoint);

// How a command on one host ended.
struct CommandEnding {
  Outcome outcome = Outcome::kOk;
  int number = 0;  // of the exit or the signal
  // Why, as in Ending; empty with ok, exit and signal.
  std::string reason;
  // What else is worth saying, one line each: output that is not complete,
  // processes that were left over.
  std::vector<std::string> notes;
  // With what `specula` ends for one host: the command's own code, 128+n by
  // signal n, 124 timed out, 255 no result.
  int exit_code = 0;
};

// "ok", "exit 3", "signal KILL", "timeout", …
std::string OutcomeWord(const CommandEnding& ending);

// Reads the ending of an Exec: `exited` is null if it did not come, `started`
// says whether the command had been reported to run, `status` is that of the
// call, which counts only without `exited`. Pure.
CommandEnding ClassifyCommand(const v1::ExecExited* exited,
                              const absl::Status& status, bool started,
                              const Endpoint& endpoint);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_OUTCOME_H_
