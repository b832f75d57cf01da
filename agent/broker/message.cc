#include "agent/broker/message.h"

#include <climits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/kill.h"
#include "agent/broker/open_file.h"
#include "agent/broker/users.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int kMaxArguments = 65536;
constexpr int kMaxVariables = 4096;
constexpr size_t kMaxCallerBytes = 512;
constexpr size_t kMaxKeyBytes = 128;
constexpr int64_t kMaxGraceMilliseconds = 3'600'000;
// Ten years: far below what overflows in a sum of times.
constexpr int64_t kMaxTimeoutMilliseconds = 10LL * 366 * 24 * 3'600'000;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

bool HasNul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

absl::Status CheckProgram(const broker::Spawn& command) {
  switch (command.program_case()) {
    case broker::Spawn::kShell:
      if (command.shell().empty()) return Invalid("command: the line is empty");
      if (HasNul(command.shell())) return Invalid("command: a NUL in the line");
      return absl::OkStatus();
    case broker::Spawn::kArgv:
      if (command.argv().arguments_size() > kMaxArguments) {
        return Invalid("command: argument list too long");
      }
      if (command.argv().arguments().empty() ||
          command.argv().arguments(0).empty()) {
        return Invalid("command: no program");
      }
      for (const std::string& argument : command.argv().arguments()) {
        if (HasNul(argument)) return Invalid("command: a NUL in an argument");
      }
      return absl::OkStatus();
    case broker::Spawn::PROGRAM_NOT_SET:
      break;
  }
  return Invalid("command: no program");
}

absl::Status CheckEnvironment(const broker::Spawn& command) {
  if (command.environment_size() > kMaxVariables)
    return Invalid("environment: too long");
  for (const broker::Variable& variable : command.environment()) {
    if (variable.name().empty() || absl::StrContains(variable.name(), '=') ||
        HasNul(variable.name()) || HasNul(variable.value())) {
      return Invalid(
          "environment: a name is empty or has '=' in it, or there is a NUL");
    }
    if (variable.name() == kExecIdVariable) {
      return Invalid(absl::StrCat("environment: ", kExecIdVariable,
                                  " is the agent's own"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckGrace(bool present, int64_t milliseconds) {
  if (!present ||
      (milliseconds >= 0 && milliseconds <= kMaxGraceMilliseconds)) {
    return absl::OkStatus();
  }
  return Invalid("grace: is 0 to 1 hour");
}

absl::Status CheckSpawn(const broker::Spawn& command) {
  RETURN_IF_ERROR(CheckProgram(command));
  RETURN_IF_ERROR(CheckEnvironment(command));
  const std::string& directory = command.working_directory();
  if (!directory.empty() &&
      (directory[0] != '/' || directory.size() >= PATH_MAX ||
       HasNul(directory))) {
    return Invalid(
        "working directory: is an absolute path of at most 4095 bytes");
  }
  if (!command.user().empty()) RETURN_IF_ERROR(CheckUserName(command.user()));
  RETURN_IF_ERROR(CheckGrace(command.has_grace_milliseconds(),
                             command.grace_milliseconds()));
  if (command.timeout_milliseconds() < 0 ||
      command.timeout_milliseconds() > kMaxTimeoutMilliseconds) {
    return Invalid("timeout: is 0 to 10 years");
  }
  if (command.output_limit_bytes() < 0)
    return Invalid("output limit: is negative");
  if (command.caller().size() > kMaxCallerBytes)
    return Invalid("caller: too long");
  if (command.idempotency_key().size() > kMaxKeyBytes) {
    return Invalid("idempotency key: is at most 128 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckJob(uint64_t job) {
  return job == 0 ? Invalid("job: 0 is none") : absl::OkStatus();
}

}  // namespace

absl::Status CheckRequest(const broker::Request& request) {
  switch (request.operation_case()) {
    case broker::Request::kSpawn:
      return CheckSpawn(request.spawn());
    case broker::Request::kEndTree:
      RETURN_IF_ERROR(CheckGrace(request.end_tree().has_grace_milliseconds(),
                                 request.end_tree().grace_milliseconds()));
      return CheckJob(request.end_tree().job());
    case broker::Request::kFinish:
      return CheckJob(request.finish().job());
    case broker::Request::kSignal: {
      RETURN_IF_ERROR(CheckJob(request.signal().job()));
      if (request.signal().signal() == 0)
        return Invalid("signal 0: no such signal");
      // Any pid does; what is checked is the signal.
      return CheckKillOrder({.pid = 2, .signal = request.signal().signal()},
                            INT_MAX);
    }
    case broker::Request::kKill:
      return CheckKillOrder(
          {.pid = request.kill().pid(), .signal = request.kill().signal()},
          INT_MAX);
    case broker::Request::kOpen:
      return CheckPath(request.open().path());
    case broker::Request::kListStarted:
    case broker::Request::kDescribe:
    case broker::Request::kServing:
      return absl::OkStatus();
    case broker::Request::OPERATION_NOT_SET:
      break;
  }
  return Invalid("request: no operation");
}

absl::StatusOr<broker::Request> ParseRequest(absl::string_view bytes) {
  broker::Request request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("request: not one");
  }
  if (request.id() == 0) return Invalid("request: no id");
  return request;
}

absl::StatusOr<broker::Answer> ParseAnswer(absl::string_view bytes) {
  broker::Answer answer;
  if (!answer.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("answer: not one");
  }
  const bool is_event = answer.result_case() == broker::Answer::kExited ||
                        answer.result_case() == broker::Answer::kGone;
  if (is_event != (answer.id() == 0))
    return Invalid("answer: neither answer nor event");
  return answer;
}

void SetStatus(const absl::Status& status, broker::Answer& answer) {
  answer.set_code(static_cast<int32_t>(status.code()));
  answer.set_message(std::string(status.message()));
}

absl::Status StatusOf(const broker::Answer& answer) {
  // absl makes UNKNOWN of a code that it does not know.
  return absl::Status(static_cast<absl::StatusCode>(answer.code()),
                      answer.message());
}

Environment EnvironmentOf(const broker::Spawn& command) {
  Environment environment;
  for (const broker::Variable& variable : command.environment()) {
    environment[variable.name()] = variable.value();
  }
  return environment;
}

std::vector<std::string> ArgumentsOf(const broker::Spawn& command) {
  if (command.has_shell()) return {"/bin/sh", "-c", command.shell()};
  return {command.argv().arguments().begin(), command.argv().arguments().end()};
}

uint64_t FingerprintOf(const broker::Spawn& command, absl::string_view input) {
  broker::Spawn plain = command;
  plain.clear_caller();
  plain.clear_idempotency_key();
  // FNV-1a: the same in every run, which absl's hashes are not. It guards a
  // caller against his own mistakes, not against an attacker.
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](absl::string_view bytes) {
    for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  };
  const std::string serialized = plain.SerializeAsString();
  // The length keeps "a" + "b" apart from "ab" + "".
  add(absl::StrCat(serialized.size(), ":"));
  add(serialized);
  add(input);
  return hash;
}

}  // namespace specula::agent
