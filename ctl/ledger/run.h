#ifndef SPECULA_CTL_LEDGER_RUN_H_
#define SPECULA_CTL_LEDGER_RUN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ctl/gather.h"
#include "ctl/ledger/run.pb.h"
#include "ctl/target.h"

// A batch as a value that can be kept and looked at again. All pure.
namespace specula::ctl {

// What is kept at most of all outputs of a run, and of one of them.
struct RunLimits {
  size_t output_bytes = 256 << 10;
  size_t total_bytes = 8 << 20;
};

// What is to be kept of a batch that has ended; `elapsed` is by host. The bytes
// of standard input and the values of the environment are left out. Id, time
// and exit code are the caller's to set.
ledger::Run MakeRun(const v1::Command& command,
                    const std::vector<Target>& targets, const Gather& gather,
                    const std::vector<absl::Duration>& elapsed,
                    const RunLimits& limits = {});

// The bytes of a file, and back. INVALID_ARGUMENT says why a file is none of
// ours, or odd: what ParseRun gives can be trusted to be within its bounds.
std::string FormatRun(const ledger::Run& run);
absl::StatusOr<ledger::Run> ParseRun(absl::string_view bytes);

// The same that the batch had, for its views.
Gather GatherOf(const ledger::Run& run);
CommandEnding EndingOf(const ledger::Host& host);
absl::Time TimeOf(const ledger::Run& run);
void SetTimes(absl::Time begun, absl::Duration elapsed, ledger::Run& run);

// The command as a shell would read it: words quoted where they must be, a
// shell line behind -s. Not yet safe for a terminal.
std::string CommandLine(const v1::Command& command);

// What cannot be repeated of a run: "its standard input (12B)", "the values of
// --env A and B"; empty if nothing. `stdin_given` and `environment_given` say
// what the caller has anew.
std::string MissingToRepeat(const ledger::Run& run, bool stdin_given,
                            const std::vector<std::string>& environment_given);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_LEDGER_RUN_H_
