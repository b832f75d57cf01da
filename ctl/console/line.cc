#include "ctl/console/line.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// More than an agent takes as one command.
constexpr size_t kMostLineBytes = 1 << 20;

struct VerbForm {
  Verb verb;
  absl::string_view word;
  absl::string_view usage;
  absl::string_view about;
};
// In the order in which HELP shows them.
constexpr VerbForm kVerbs[] = {
    {Verb::kList, "LIST", "LIST [HOSTS]", "the hosts with their ids"},
    {Verb::kPing, "PING", "PING [HOSTS]", "how long each takes to answer"},
    {Verb::kStatus, "STATUS", "STATUS [HOSTS]",
     "one line for each host; s is enough"},
    {Verb::kCpu, "CPU", "CPU [HOSTS]", "CPU time by state"},
    {Verb::kMem, "MEM", "MEM [HOSTS]", "memory and swap"},
    {Verb::kDisk, "DISK", "DISK [HOSTS]", "file systems"},
    {Verb::kPs, "PS", "PS [HOSTS]", "the processes that use most CPU"},
    {Verb::kExec, "EXEC", "EXEC [HOSTS] LINE",
     "run a line of shell: EXEC uptime, EXEC 2 ps aux"},
    {Verb::kStart, "START", "START [HOSTS] LINE",
     "start a line of shell that goes on by itself"},
    {Verb::kKill, "KILL", "KILL HOST PID [force]",
     "TERM to a process, with force KILL"},
    {Verb::kTail, "TAIL", "TAIL [HOSTS] PATH",
     "follow a file, until Ctrl-C: TAIL 1 /var/log/syslog"},
    {Verb::kHelp, "HELP", "HELP", "this"},
    {Verb::kBye, "BYE", "BYE", "leave; also quit and Ctrl-D"},
};
constexpr std::pair<absl::string_view, Verb> kShort[] = {
    {"S", Verb::kStatus}, {"?", Verb::kHelp}, {"QUIT", Verb::kBye},
    {"EXIT", Verb::kBye}, {"Q", Verb::kBye},
};

const VerbForm* FindVerb(absl::string_view word) {
  std::string upper = absl::AsciiStrToUpper(word);
  for (const auto& [name, verb] : kShort) {
    if (upper != name) continue;
    for (const VerbForm& form : kVerbs) {
      if (form.verb == verb) return &form;
    }
  }
  for (const VerbForm& form : kVerbs) {
    if (upper == form.word) return &form;
  }
  return nullptr;
}

// Takes the first word off; what is left has no blanks around it.
absl::string_view TakeWord(absl::string_view& text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const absl::string_view word = text.substr(0, end);
  text = absl::StripAsciiWhitespace(text.substr(end));
  return word;
}

absl::Status Usage(const VerbForm& form) {
  return absl::InvalidArgumentError(absl::StrCat("use: ", form.usage));
}

absl::StatusOr<ConsoleLine> ParseKill(const VerbForm& form, ConsoleLine line,
                                      absl::string_view rest) {
  std::vector<absl::string_view> words;
  while (!rest.empty()) words.push_back(TakeWord(rest));
  if (words.size() > 1 && absl::EqualsIgnoreCase(words.back(), "force")) {
    line.force = true;
    words.pop_back();
  }
  if (words.empty() || words.size() > 2) return Usage(form);
  if (!absl::SimpleAtoi(words.back(), &line.pid) || line.pid < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("PID: '", EscapeControls(words.back()),
                     "' is no number of 2 or more; use: ", form.usage));
  }
  if (words.size() == 2) line.hosts = std::string(words.front());
  return line;
}

}  // namespace

absl::StatusOr<ConsoleLine> ParseConsoleLine(
    absl::string_view text,
    const std::function<bool(absl::string_view)>& is_host) {
  if (text.size() > kMostLineBytes) {
    return absl::InvalidArgumentError("the line is longer than 1 MiB");
  }
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (rest.empty() || rest.front() == '#') return ConsoleLine();
  const absl::string_view word = TakeWord(rest);
  const VerbForm* form = FindVerb(word);
  if (form == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", EscapeControls(word.substr(0, 40)),
                     "' is no command; HELP shows them"));
  }
  ConsoleLine line;
  line.verb = form->verb;
  switch (line.verb) {
    case Verb::kExec:
    case Verb::kStart:
    case Verb::kTail: {
      absl::string_view after = rest;
      const absl::string_view first = TakeWord(after);
      if (!after.empty() && is_host(first)) {
        line.hosts = std::string(first);
        rest = after;
      }
      if (rest.empty()) return Usage(*form);
      line.text = std::string(rest);
      return line;
    }
    case Verb::kKill:
      return ParseKill(*form, std::move(line), rest);
    case Verb::kHelp:
    case Verb::kBye:
      if (!rest.empty()) return Usage(*form);
      return line;
    default: {
      line.hosts = std::string(TakeWord(rest));
      if (!rest.empty()) return Usage(*form);
      return line;
    }
  }
}

Completions CompleteConsoleLine(absl::string_view line,
                                const std::vector<std::string>& hosts) {
  const size_t blank = line.find_last_of(" \t");
  const absl::string_view word =
      blank == absl::string_view::npos ? line : line.substr(blank + 1);
  Completions found;
  found.word = word.size();
  if (absl::StripAsciiWhitespace(line).size() == word.size()) {
    const bool lower =
        !word.empty() &&
        absl::ascii_islower(static_cast<unsigned char>(word.front()));
    for (const VerbForm& form : kVerbs) {
      if (!absl::StartsWithIgnoreCase(form.word, word)) continue;
      found.words.push_back(lower ? absl::AsciiStrToLower(form.word)
                                  : std::string(form.word));
    }
    return found;
  }
  for (const std::string& host : hosts) {
    if (absl::StartsWith(host, word)) found.words.push_back(host);
  }
  return found;
}

std::string ConsoleHelp() {
  std::string text;
  for (const VerbForm& form : kVerbs) {
    absl::StrAppend(&text, "  ", form.usage,
                    std::string(24 - form.usage.size(), ' '), form.about, "\n");
  }
  absl::StrAppend(&text,
                  "HOSTS: an id of LIST, a name, @group or vm[01-64]; all if "
                  "not given.\n");
  return text;
}

}  // namespace specula::ctl
