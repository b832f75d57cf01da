#ifndef SPECULA_CTL_COMMAND_OPTIONS_H_
#define SPECULA_CTL_COMMAND_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cpp/outcome.h"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "specula/v1/specula.pb.h"

// What the commands that act on one host have in common: which host, and what
// to run there.
namespace specula::ctl {

// What to run, as it stands on the command line.
struct CommandOptions {
  std::string shell = {};
  std::string user = {};
  std::string directory = {};
  std::vector<std::string> environment = {};
  std::string stdin_path = {};  // "-": our own
  std::string grace = {};
  // exec only.
  std::string timeout = {};
  std::string output_limit = {};
  bool merge = false;
};

// Declares the options that exec and start share.
void DeclareCommandOptions(CLI::App* app, CommandOptions& options);

// Declares of those only what is to be given again with a command that is kept
// elsewhere: --env and --stdin.
void DeclareSupplement(CLI::App* app, CommandOptions& options);

// Declares what else bounds an Exec. Its --timeout hides that of the fleet,
// which stands before the word exec.
void DeclareExecOptions(CLI::App* app, CommandOptions& options);

// Makes the message from the options and `words`, what stood after `--` (absent
// without one). The words are passed on as they are. INVALID_ARGUMENT says what
// is missing, odd, or not UTF-8, which the contract asks for. Leaves standard
// input out. Pure.
absl::StatusOr<v1::Command> MakeCommand(
    const CommandOptions& options,
    const std::optional<std::vector<std::string>>& words);

// As MakeCommand, with standard input read to its end. CANCELLED at Ctrl-C,
// RESOURCE_EXHAUSTED beyond what an agent takes.
absl::StatusOr<v1::Command> CompleteCommand(
    const CommandOptions& options,
    const std::optional<std::vector<std::string>>& words, Interrupt& interrupt);

// INVALID_ARGUMENT if one of the fleet's options is set that `command` has no
// use for: --watch, and --json unless `json`.
absl::Status CheckNoFleetForm(const FleetOptions& options,
                              absl::string_view command, bool json);

// "specula: vm1: WHAT", for standard error.
std::string HostLine(const Target& target, absl::string_view what);

// Writes HostLine and a newline to standard error.
void SayOfHost(const Target& target, absl::string_view what);

// Whether a unary call failed. If so, says it: on standard error, with `json`
// as a line on standard output.
bool ReportFailure(const Target& target, const Ending& ending,
                   absl::Duration elapsed, bool json);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMMAND_OPTIONS_H_
