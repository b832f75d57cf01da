#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/format.h"
#include "shim/command.h"
#include "shim/reply.h"
#include "shim/token.h"

namespace {

using specula::shim::Command;
using specula::shim::Verb;

void Check(bool holds) {
  if (!holds) abort();
}

}  // namespace

// A command that is read can be handed on as it is; what is said to be plain
// has nothing that a shell understands; a token file never gives a token that
// cannot be sent, and an error never tells one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = specula::shim::ParseCommand(text);
  if (const auto* command = std::get_if<Command>(&parsed)) {
    Check(command->text.find('\0') == std::string::npos);
    if (command->verb == Verb::kKill || command->verb == Verb::kStop) {
      Check(command->number >= 1 && command->text.empty());
    }
    if (command->verb != Verb::kAuth) {
      Check(specula::ToUtf8(command->text) == command->text);
    }
  }

  constexpr absl::string_view kShell = "\n\"'\\$`;&|<>()*?[]{}~#!^";
  if (const auto words = specula::shim::PlainWords(text)) {
    Check(!words->empty());
    for (const std::string& word : *words) {
      Check(!word.empty());
      Check(word.find_first_of({kShell.data(), kShell.size()}) ==
            std::string::npos);
    }
  }
  const std::string program = specula::shim::FirstProgram(text);
  Check(program.find_first_of({kShell.data(), kShell.size()}) ==
        std::string::npos);
  Check(program.find_first_of(" \t=") == std::string::npos);

  const auto tokens = specula::shim::TokenSet::Parse(text, "F");
  if (tokens.ok()) {
    Check(!tokens->holders().empty());
    Check(tokens->Find("") == nullptr);
  } else {
    Check(tokens.status().message().size() < 200);
  }
  return 0;
}
