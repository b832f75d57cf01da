#include "agent/front/to_broker.h"

#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/metrics/to_proto.h"

namespace specula::agent {
namespace {

constexpr int64_t kMostMilliseconds = int64_t{1000} * 366 * 24 * 3600;

absl::StatusOr<int64_t> Milliseconds(const google::protobuf::Duration& duration,
                                     absl::string_view field) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  const int64_t milliseconds = absl::ToInt64Milliseconds(value);
  if (value < absl::ZeroDuration() || milliseconds > kMostMilliseconds) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " must be 0 to a year"));
  }
  // Less than one is not none.
  return value > absl::ZeroDuration() && milliseconds == 0 ? 1 : milliseconds;
}

}  // namespace

absl::StatusOr<broker::Spawn> ToSpawn(const v1::Command& command,
                                      absl::string_view caller) {
  broker::Spawn spawn;
  spawn.set_caller(std::string(caller));
  switch (command.program_case()) {
    case v1::Command::kShell:
      spawn.set_shell(command.shell());
      break;
    case v1::Command::kArgv:
      if (command.argv().arguments().empty()) {
        return absl::InvalidArgumentError("command.argv.arguments is empty");
      }
      for (const std::string& argument : command.argv().arguments()) {
        spawn.mutable_argv()->add_arguments(argument);
      }
      break;
    case v1::Command::PROGRAM_NOT_SET:
      return absl::InvalidArgumentError("command has neither shell nor argv");
  }
  spawn.set_working_directory(command.working_directory());
  for (const auto& [name, value] : command.environment()) {
    broker::Variable* variable = spawn.add_environment();
    variable->set_name(name);
    variable->set_value(value);
  }
  spawn.set_user(command.user());
  spawn.set_merge_stderr(command.merge_stderr());
  if (command.has_timeout()) {
    absl::StatusOr<int64_t> timeout =
        Milliseconds(command.timeout(), "command.timeout");
    if (!timeout.ok()) return timeout.status();
    spawn.set_timeout_milliseconds(*timeout);
  }
  if (command.has_grace()) {
    absl::StatusOr<int64_t> grace =
        Milliseconds(command.grace(), "command.grace");
    if (!grace.ok()) return grace.status();
    spawn.set_grace_milliseconds(*grace);
  }
  if (command.output_limit_bytes() < 0) {
    return absl::InvalidArgumentError("command.output_limit_bytes is below 0");
  }
  spawn.set_output_limit_bytes(command.output_limit_bytes());
  return spawn;
}

absl::StatusOr<broker::Kill> ToKill(const v1::KillRequest& request) {
  broker::Kill kill;
  if (request.pid() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("pid ", request.pid(), " is below 2"));
  }
  if (request.signal() < 0 || request.signal() > SIGRTMAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("signal ", request.signal(), " is not 0 to ", SIGRTMAX));
  }
  kill.set_pid(request.pid());
  if (request.has_start_ticks()) kill.set_start_ticks(request.start_ticks());
  kill.set_signal(request.force() ? SIGKILL : request.signal());
  kill.set_tree(request.tree());
  return kill;
}

v1::ExecExited ToExited(const broker::Exited& exited, const broker::Gone& gone,
                        bool drained, bool truncated) {
  v1::ExecExited message;
  if (exited.has_signal()) {
    message.set_signal(exited.signal());
  } else {
    message.set_code(exited.code());
  }
  *message.mutable_user_time() =
      ToProto(absl::Microseconds(exited.user_microseconds()));
  *message.mutable_system_time() =
      ToProto(absl::Microseconds(exited.system_microseconds()));
  message.set_peak_memory_bytes(exited.peak_memory_bytes());
  *message.mutable_wall_time() =
      ToProto(absl::Microseconds(exited.wall_microseconds()));
  message.set_drained(drained);
  message.set_truncated(truncated);
  message.set_timed_out(gone.timed_out());
  message.set_killed_count(gone.killed_count());
  return message;
}

}  // namespace specula::agent
