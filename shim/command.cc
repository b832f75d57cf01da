#include "shim/command.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"
#include "shim/frame.h"

namespace specula::shim {
namespace {

enum class Arguments { kNone, kText, kPid, kSid };

struct Row {
  absl::string_view word;
  Verb verb;
  Arguments arguments;
  Role least;
  size_t most_bytes = kMostShortBytes;  // of the whole request
};

// The longest path that Linux takes has 4096 bytes.
constexpr size_t kMostTailBytes = 8 << 10;

constexpr Row kRows[] = {
    {"AUTH", Verb::kAuth, Arguments::kText, Role::kViewer},
    {"PING", Verb::kPing, Arguments::kNone, Role::kViewer},
    {"STATUS", Verb::kStatus, Arguments::kNone, Role::kViewer},
    {"CPU", Verb::kCpu, Arguments::kNone, Role::kViewer},
    {"MEM", Verb::kMem, Arguments::kNone, Role::kViewer},
    {"DISK", Verb::kDisk, Arguments::kNone, Role::kViewer},
    {"EXEC", Verb::kExec, Arguments::kText, Role::kOperator, kMostPayloadBytes},
    {"START", Verb::kStart, Arguments::kText, Role::kOperator,
     kMostPayloadBytes},
    {"KILL", Verb::kKill, Arguments::kPid, Role::kOperator},
    {"TAIL", Verb::kTail, Arguments::kText, Role::kOperator, kMostTailBytes},
    {"STOP", Verb::kStop, Arguments::kSid, Role::kOperator},
    {"BYE", Verb::kBye, Arguments::kNone, Role::kViewer},
};

// What sh finds itself before it looks for a program, or takes as grammar.
// Those that are programs as well, and do the same there, are left out.
constexpr absl::string_view kShellWords[] = {
    "!",    ".",        ":",      "alias",  "bg",      "break", "case",
    "cd",   "command",  "do",     "done",   "elif",    "else",  "esac",
    "eval", "exec",     "exit",   "export", "fc",      "fg",    "fi",
    "for",  "getopts",  "hash",   "if",     "in",      "jobs",  "local",
    "read", "readonly", "return", "set",    "shift",   "then",  "times",
    "trap", "type",     "ulimit", "umask",  "unalias", "unset", "until",
    "wait", "while",    "{",      "}",
};

// Bytes that mean themselves to a shell, wherever they stand in a word.
bool IsPlain(char byte) {
  return absl::string_view(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
             "0123456789_@%+:,./-=")
             .find(byte) != absl::string_view::npos;
}

bool IsBlank(char byte) { return byte == ' ' || byte == '\t'; }

bool IsShellWord(absl::string_view word) {
  return std::find(std::begin(kShellWords), std::end(kShellWords), word) !=
         std::end(kShellWords);
}

// A pid or sid: digits without a sign or padding, 1 to 9999999999.
bool ParseNumber(absl::string_view text, int64_t& number) {
  constexpr size_t kMostDigits = 10;
  return !text.empty() && text.size() <= kMostDigits && text[0] != '0' &&
         text.find_first_not_of("0123456789") == absl::string_view::npos &&
         absl::SimpleAtoi(text, &number);
}

// A shell line or path of nothing but blanks asks for nothing; what is not
// UTF-8 cannot be handed on, as the contract's texts are.
bool IsText(absl::string_view text) {
  return !std::all_of(text.begin(), text.end(), IsBlank) &&
         ToUtf8(text) == text;
}

bool ParseArguments(const Row& row, absl::string_view rest, Command& command) {
  switch (row.arguments) {
    case Arguments::kNone:
      return false;
    case Arguments::kText:
      command.text = std::string(rest);
      // A token is compared byte by byte and goes nowhere.
      return row.verb == Verb::kAuth || IsText(rest);
    case Arguments::kPid:
      command.force = absl::ConsumeSuffix(&rest, " force");
      return ParseNumber(rest, command.number);
    case Arguments::kSid:
      return ParseNumber(rest, command.number);
  }
  return false;
}

}  // namespace

std::variant<Command, Error> ParseCommand(absl::string_view payload) {
  if (payload.find('\0') != absl::string_view::npos) return Error::kBadRequest;
  // What a person's Enter adds.
  if (absl::ConsumeSuffix(&payload, "\n")) absl::ConsumeSuffix(&payload, "\r");
  if (payload.empty()) return Error::kBadRequest;
  const size_t space = payload.find(' ');
  const absl::string_view word = payload.substr(0, space);
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.word == word; });
  if (row == std::end(kRows)) return Error::kUnknownCommand;
  Command command;
  command.verb = row->verb;
  const bool good =
      space == absl::string_view::npos
          ? row->arguments == Arguments::kNone
          : ParseArguments(*row, payload.substr(space + 1), command);
  if (!good) return Error::kBadRequest;
  return command;
}

size_t MostRequestBytes(std::optional<Role> role) {
  size_t most = kMostShortBytes;
  if (!role.has_value()) return most;
  // `most` is that of the rows so far that the role may ask for.
  for (const Row& row : kRows) {
    if (Allows(*role, row.verb)) most = std::max(most, row.most_bytes);
  }
  return most;
}

size_t MostRequestBytes(Role role, absl::string_view head) {
  const absl::string_view word = head.substr(0, head.find(' '));
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.word == word; });
  if (row == std::end(kRows) || !Allows(role, row->verb)) {
    return kMostShortBytes;
  }
  return row->most_bytes;
}

bool Allows(Role role, Verb verb) {
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.verb == verb; });
  if (row == std::end(kRows)) return false;
  switch (role) {
    case Role::kAdmin:
    case Role::kOperator:
      return true;
    case Role::kViewer:
      return row->least == Role::kViewer;
    case Role::kShim:
    case Role::kAgent:
      return false;
  }
  return false;
}

std::optional<std::vector<std::string>> PlainWords(absl::string_view line) {
  for (char byte : line) {
    if (!IsPlain(byte) && !IsBlank(byte)) return std::nullopt;
  }
  std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty() || IsShellWord(words[0]) ||
      words[0].find('=') != std::string::npos) {
    return std::nullopt;
  }
  return words;
}

std::string FirstProgram(absl::string_view line) {
  while (true) {
    while (!line.empty() && IsBlank(line[0])) line.remove_prefix(1);
    const size_t end = static_cast<size_t>(
        std::find_if_not(line.begin(), line.end(), IsPlain) - line.begin());
    const absl::string_view word = line.substr(0, end);
    // What goes on in quotes, say, is longer than what was read of it.
    const bool whole =
        end == line.size() || absl::string_view(" \t\n;&|<>").find(line[end]) !=
                                  absl::string_view::npos;
    if (!whole || word.empty() || IsShellWord(word)) return "";
    if (word.find('=') == absl::string_view::npos) return std::string(word);
    line.remove_prefix(end);
  }
}

}  // namespace specula::shim
