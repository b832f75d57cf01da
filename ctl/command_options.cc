#include "ctl/command_options.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/commands/read.h"
#include "ctl/from_proto.h"
#include "ctl/quantity.h"
#include "ctl/views.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/message_limits.h"

namespace specula::ctl {
namespace {

constexpr size_t kMostStdinBytes = 1 << 20;  // as the contract has it
// A little of a request is for what is around the command.
constexpr size_t kMostCommandBytes = kMostRequestBytes - (1 << 10);

// How long Ctrl-C may wait while we read a standard input that is silent.
constexpr int kInputPollMilliseconds = 100;

absl::Status CheckUtf8(absl::string_view text, absl::string_view what) {
  if (ToUtf8(text) == text) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is not UTF-8: ", EscapeControls(text.substr(0, 200))));
}

absl::Status SetProgram(const CommandOptions& options,
                        const std::optional<std::vector<std::string>>& words,
                        v1::Command& command) {
  if (!options.shell.empty()) {
    if (words.has_value()) {
      return absl::InvalidArgumentError(
          "either a program after --, or a line by --shell, not both");
    }
    RETURN_IF_ERROR(CheckUtf8(options.shell, "the line of --shell"));
    command.set_shell(options.shell);
    return absl::OkStatus();
  }
  if (!words.has_value() || words->empty() || words->front().empty()) {
    return absl::InvalidArgumentError(
        "what to run is missing: a program after --, as in 'exec vm1 -- uname "
        "-a', or a line by --shell");
  }
  for (const std::string& word : *words) {
    RETURN_IF_ERROR(CheckUtf8(word, "an argument"));
    command.mutable_argv()->add_arguments(word);
  }
  return absl::OkStatus();
}

absl::Status SetEnvironment(const std::vector<std::string>& environment,
                            v1::Command& command) {
  for (const std::string& variable : environment) {
    const size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--env: '", EscapeControls(variable),
                       "' is not of the form NAME=VALUE"));
    }
    RETURN_IF_ERROR(CheckUtf8(variable, "--env"));
    (*command.mutable_environment())[variable.substr(0, equals)] =
        variable.substr(equals + 1);
  }
  return absl::OkStatus();
}

absl::Status Within(absl::string_view flag, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(flag, ": ", status.message()));
}

absl::Status SetBounds(const CommandOptions& options, v1::Command& command) {
  if (!options.timeout.empty()) {
    absl::StatusOr<absl::Duration> timeout =
        ParseQuantityOfTime(options.timeout);
    if (!timeout.ok()) return Within("--timeout", timeout.status());
    if (*timeout <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError("--timeout: must be more than 0");
    }
    *command.mutable_timeout() = ToProto(*timeout);
  }
  if (!options.grace.empty()) {
    absl::StatusOr<absl::Duration> grace = ParseQuantityOfTime(options.grace);
    if (!grace.ok()) return Within("--grace", grace.status());
    *command.mutable_grace() = ToProto(*grace);
  }
  if (!options.output_limit.empty()) {
    absl::StatusOr<int64_t> limit = ParseQuantityOfBytes(options.output_limit);
    if (!limit.ok()) return Within("--output-limit", limit.status());
    if (*limit <= 0) {
      return absl::InvalidArgumentError("--output-limit: must be more than 0");
    }
    command.set_output_limit_bytes(*limit);
  }
  return absl::OkStatus();
}

// Reads the file `path`, "-" for our own standard input, to its end, or to
// beyond kMostStdinBytes. CANCELLED at Ctrl-C.
absl::StatusOr<std::string> ReadStdin(const std::string& path,
                                      Interrupt& interrupt) {
  const bool own = path == "-";
  UniqueFd file;
  if (!own) {
    file.Reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
      return absl::ErrnoToStatus(errno, absl::StrCat("--stdin: ", path));
    }
  }
  pollfd input = {own ? STDIN_FILENO : file.get(), POLLIN, 0};
  std::string bytes;
  char buffer[64 << 10];
  while (true) {
    if (interrupt.Wait(absl::ZeroDuration())) {
      return absl::CancelledError("interrupted");
    }
    if (poll(&input, 1, kInputPollMilliseconds) <= 0) continue;
    const ssize_t got = read(input.fd, buffer, sizeof buffer);
    if (got == 0) return bytes;
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("--stdin: ", path));
    }
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > kMostStdinBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("--stdin: ", path, ": more than the ",
                       FormatBytes(kMostStdinBytes), " that an agent takes"));
    }
  }
}

}  // namespace

void DeclareCommandOptions(CLI::App* app, CommandOptions& options) {
  app->add_option("-s,--shell", options.shell,
                  "A line for /bin/sh -c, instead of a program after --");
  app->add_option("--user", options.user,
                  "As whom (the host's default user for commands)");
  app->add_option("--cwd", options.directory, "Where to run (the user's home)");
  DeclareSupplement(app, options);
  app->add_option("--grace", options.grace,
                  "Between TERM and KILL when its processes are ended (5s)");
}

void DeclareSupplement(CLI::App* app, CommandOptions& options) {
  app->add_option("--env", options.environment,
                  "NAME=VALUE to add to the environment; may be repeated")
      ->allow_extra_args(false);  // else it takes HOST too, and splits [a,b]
  app->add_option(
      "--stdin", options.stdin_path,
      "File to give on standard input, - for our own; at most 1 MiB");
}

void DeclareExecOptions(CLI::App* app, CommandOptions& options) {
  app->add_option(
      "--timeout", options.timeout,
      "End it after this long (2s, 500ms, 1.5m, 1h; exit code 124). "
      "Before the\nword exec it is how long the host gets to answer");
  app->add_option("--output-limit", options.output_limit,
                  "Throw away output beyond this many bytes (64K, 10M, 1G)");
  app->add_flag("--merge", options.merge,
                "Standard error into standard output, in their order");
}

absl::StatusOr<v1::Command> MakeCommand(
    const CommandOptions& options,
    const std::optional<std::vector<std::string>>& words) {
  v1::Command command;
  RETURN_IF_ERROR(SetProgram(options, words, command));
  RETURN_IF_ERROR(SetEnvironment(options.environment, command));
  RETURN_IF_ERROR(SetBounds(options, command));
  RETURN_IF_ERROR(CheckUtf8(options.user, "--user"));
  RETURN_IF_ERROR(CheckUtf8(options.directory, "--cwd"));
  command.set_user(options.user);
  command.set_working_directory(options.directory);
  command.set_merge_stderr(options.merge);
  return command;
}

absl::StatusOr<v1::Command> CompleteCommand(
    const CommandOptions& options,
    const std::optional<std::vector<std::string>>& words,
    Interrupt& interrupt) {
  ASSIGN_OR_RETURN(v1::Command command, MakeCommand(options, words));
  if (!options.stdin_path.empty()) {
    ASSIGN_OR_RETURN(*command.mutable_stdin(),
                     ReadStdin(options.stdin_path, interrupt));
  }
  if (command.ByteSizeLong() > kMostCommandBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the command with its standard input has more than the ",
                     FormatBytes(kMostCommandBytes), " that an agent takes"));
  }
  return command;
}

absl::Status CheckNoFleetForm(const FleetOptions& options,
                              absl::string_view command, bool json) {
  if (options.watch_seconds > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--watch is not for ", command));
  }
  if (options.json && !json) {
    return absl::InvalidArgumentError(
        absl::StrCat(command, " has no --json form yet"));
  }
  return absl::OkStatus();
}

std::string HostLine(const Target& target, absl::string_view what) {
  return absl::StrCat("specula: ", EscapeControls(HostLabel(target)), ": ",
                      what);
}

void SayOfHost(const Target& target, absl::string_view what) {
  PrintErrorText(absl::StrCat(HostLine(target, what), "\n"));
}

bool ReportFailure(const Target& target, const Ending& ending,
                   absl::Duration elapsed, bool json) {
  if (ending.outcome == Outcome::kOk) return false;
  if (json) {
    Print(JsonLine(target, ending, elapsed, "", nullptr));
  } else {
    SayOfHost(target, EndingText(ending));
  }
  return true;
}

}  // namespace specula::ctl
