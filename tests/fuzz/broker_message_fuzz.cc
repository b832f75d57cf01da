// Feeds bytes to what the broker and the front read from each other; whatever
// passes must keep what the rest relies on.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/broker/message.h"

namespace specula::agent {
namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckCommand(const broker::Spawn& command) {
  const auto has_nul = [](const std::string& text) {
    return text.find('\0') != text.npos;
  };
  const std::vector<std::string> arguments = ArgumentsOf(command);
  Check(!arguments.empty() && !arguments[0].empty());
  for (const std::string& argument : arguments) Check(!has_nul(argument));
  const Environment asked = EnvironmentOf(command);
  Check(asked.count(kExecIdVariable) == 0);
  for (const std::string& variable :
       EnvironmentStrings(BuildEnvironment(User(), asked, "0123"))) {
    Check(!has_nul(variable) && variable.find('=') != 0 &&
          variable.find('=') != variable.npos);
  }
  Check(command.working_directory().empty() ||
        command.working_directory()[0] == '/');
  Check(!has_nul(command.working_directory()) && !has_nul(command.user()));
  Check(command.timeout_milliseconds() >= 0 &&
        command.grace_milliseconds() >= 0);
  Check(FingerprintOf(command, "") == FingerprintOf(command, ""));
}

}  // namespace
}  // namespace specula::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using specula::agent::Check;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto request = specula::agent::ParseRequest(bytes); request.ok()) {
    Check(request->id() != 0);
    if (specula::agent::CheckRequest(*request).ok()) {
      if (request->has_spawn()) specula::agent::CheckCommand(request->spawn());
      if (request->has_kill()) Check(request->kill().pid() >= 2);
      const auto again =
          specula::agent::ParseRequest(request->SerializeAsString());
      Check(again.ok() && specula::agent::CheckRequest(*again).ok());
    }
  }
  if (auto answer = specula::agent::ParseAnswer(bytes); answer.ok()) {
    Check((answer->id() == 0) == (answer->has_exited() || answer->has_gone()));
    static_cast<void>(specula::agent::StatusOf(*answer));
  }
  return 0;
}
