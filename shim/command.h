#ifndef SPECULA_SHIM_COMMAND_H_
#define SPECULA_SHIM_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/rpc/identity.h"
#include "shim/error.h"

// What a payload asks for. Pure.
namespace specula::shim {

enum class Verb {
  kAuth,
  kPing,
  kStatus,
  kCpu,
  kMem,
  kDisk,
  kExec,
  kStart,
  kKill,
  kTail,
  kStop,
  kBye,
};

struct Command {
  Verb verb = Verb::kPing;
  std::string text = {};  // the token, command or path
  int64_t number = 0;     // the pid of KILL, the sid of STOP; 1 or greater
  bool force = false;     // of KILL
  bool operator==(const Command&) const = default;
};

// Reads a payload. The error is kBadRequest or kUnknownCommand.
std::variant<Command, Error> ParseCommand(absl::string_view payload);

// The longest request that this role may send, as far as that can be told
// before its verb is known. Absent: a stranger.
size_t MostRequestBytes(std::optional<Role> role);

// The same once the first kHeadBytes are known: only what holds a command line
// or a path may be longer than kMostShortBytes.
size_t MostRequestBytes(Role role, absl::string_view head);

// Whether the holder of a token with this role may ask for it.
bool Allows(Role role, Verb verb);

// The words of a shell line that is nothing but a program and its arguments, so
// that it can be run without a shell and mean the same. Absent: the line has
// something that the shell understands, or begins with a word of its own.
std::optional<std::vector<std::string>> PlainWords(absl::string_view line);

// The program that a shell line starts with, behind assignments. Empty if that
// cannot be told without a shell, or is a word of the shell's own. Only of
// bytes that mean themselves to a shell.
std::string FirstProgram(absl::string_view line);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_COMMAND_H_
