#include "ctl/ui/prompt.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "clients/cpp/signal_name.h"
#include "lib/base/format.h"
#include "re2/re2.h"

namespace specula::ctl {
namespace {

constexpr size_t kMostTyped = 4000;
constexpr size_t kMostNamed = 3;

using Code = KeyEvent::Code;
using Kind = Prompt::Kind;

std::string ToUtf8(char32_t code) {
  std::string text;
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | (code >> 12));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xf0 | (code >> 18));
    text += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
  return text;
}

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

size_t Before(const std::string& text, size_t at) {
  if (at == 0) return 0;
  do --at;
  while (at > 0 && IsContinuation(text[at]));
  return at;
}

size_t After(const std::string& text, size_t at) {
  if (at >= text.size()) return text.size();
  do ++at;
  while (at < text.size() && IsContinuation(text[at]));
  return at;
}

void ClosePrompt(TopState& state) { state.prompt = {}; }

Effect Act(TopState& state) {
  ClosePrompt(state);
  return {.kind = Effect::Kind::kAct};
}

// With more than one host the operator says that he knows how many. To signal
// by name he is asked later, when it is known which processes those are.
Effect ConfirmOrAct(TopState& state) {
  const Action& action = state.action;
  if (action.hosts.size() < 2 || action.kind != Action::Kind::kExec) {
    return Act(state);
  }
  OpenPrompt(Kind::kConfirm,
             absl::StrCat("Type ", action.hosts.size(), " to run on ",
                          NamesOf(state, action.hosts, kMostNamed), ": ",
                          action.text, ": "),
             "", state);
  return {};
}

// "[-SIGNAL] [-f] REGEX", as pkill has it.
absl::Status ReadKillByName(const std::string& text, Action& action) {
  absl::string_view rest = text;
  action.full = false;
  action.signal = 0;
  // Each turn takes one word with a dash.
  while (absl::StartsWith(rest, "-")) {
    const size_t end = rest.find(' ');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError("the name of a process is missing");
    }
    const absl::string_view word = rest.substr(1, end - 1);
    rest = absl::StripLeadingAsciiWhitespace(rest.substr(end));
    if (word == "f") {
      action.full = true;
      continue;
    }
    absl::StatusOr<int> signal = ParseSignal(word);
    if (!signal.ok()) return signal.status();
    action.signal = *signal;
  }
  const RE2 pattern(re2::StringPiece(rest.data(), rest.size()), RE2::Quiet);
  if (!pattern.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no regular expression: ", pattern.error()));
  }
  action.text = std::string(rest);
  return absl::OkStatus();
}

Effect Enter(absl::Time now, absl::TimeZone zone, TopState& state) {
  Prompt& prompt = state.prompt;
  const std::string text(absl::StripAsciiWhitespace(prompt.text));
  Action& action = state.action;
  if (text.empty() && prompt.kind != Kind::kFilter &&
      prompt.kind != Kind::kKillProcess) {
    ClosePrompt(state);
    state.message = "nothing done";
    return {};
  }
  switch (prompt.kind) {
    case Kind::kFilter: {
      absl::StatusOr<Filter> filter = Filter::Parse(text, state.labels);
      if (!filter.ok()) {
        prompt.error = std::string(filter.status().message());
        return {};
      }
      state.filter = *std::move(filter);
      ClosePrompt(state);
      state.Settle(now);
      return {};
    }
    case Kind::kExec:
      action.text = text;
      return ConfirmOrAct(state);
    case Kind::kTail:
      if (text.front() != '/') {
        prompt.error = "an absolute path, please: it begins with /";
        return {};
      }
      action.text = text;
      return ConfirmOrAct(state);
    case Kind::kKillByName:
      if (absl::Status read = ReadKillByName(text, action); !read.ok()) {
        prompt.error = std::string(read.message());
        return {};
      }
      return ConfirmOrAct(state);
    case Kind::kKillProcess: {
      absl::StatusOr<int> signal = ParseSignal(text.empty() ? "TERM" : text);
      if (!signal.ok()) {
        prompt.error = std::string(signal.status().message());
        return {};
      }
      action.signal = *signal;
      return Act(state);
    }
    case Kind::kConfirm:
      if (text == absl::StrCat(action.hosts.size())) return Act(state);
      ClosePrompt(state);
      state.message =
          absl::StrCat("nothing done: that was not ", action.hosts.size());
      return {};
    case Kind::kTime: {
      absl::StatusOr<absl::Time> time = ParseMoment(text, now, zone);
      if (!time.ok()) {
        prompt.error = std::string(time.status().message());
        return {};
      }
      ClosePrompt(state);
      return {.kind = Effect::Kind::kSeek, .time = *time};
    }
    case Kind::kNone:
      break;
  }
  return {};
}

}  // namespace

absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now,
                                       absl::TimeZone zone) {
  text = absl::StripAsciiWhitespace(text);
  const std::string day = absl::StrContains(text, '-')
                              ? ""
                              : absl::FormatTime("%Y-%m-%d ", now, zone);
  for (const absl::string_view format :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%Ez"}) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(format, day + std::string(text), zone, &time, &error)) {
      return time;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", EscapeControls(text),
                   "' is no time: 14:32, 14:32:10 or 2026-11-25 14:32"));
}

void OpenPrompt(Prompt::Kind kind, std::string label, std::string text,
                TopState& state) {
  const size_t end = text.size();
  state.prompt = {kind, std::move(label), std::move(text), end, ""};
}

bool EditPrompt(const KeyEvent& key, Prompt& prompt) {
  std::string& text = prompt.text;
  size_t& at = prompt.at;
  switch (key.code) {
    case Code::kCharacter:
      if (key.character < 0x20 || key.character == 0x7f ||
          text.size() >= kMostTyped) {
        return false;
      }
      {
        const std::string typed = ToUtf8(key.character);
        text.insert(at, typed);
        at += typed.size();
      }
      return true;
    case Code::kLeft:
      at = Before(text, at);
      return true;
    case Code::kRight:
      at = After(text, at);
      return true;
    case Code::kHome:
      at = 0;
      return true;
    case Code::kEnd:
      at = text.size();
      return true;
    case Code::kBackspace: {
      const size_t begin = Before(text, at);
      text.erase(begin, at - begin);
      at = begin;
      return true;
    }
    case Code::kDelete:
      text.erase(at, After(text, at) - at);
      return true;
    case Code::kEraseLine:
      text.erase(0, at);
      at = 0;
      return true;
    case Code::kEraseWord: {
      size_t begin = at;
      while (begin > 0 && text[begin - 1] == ' ') --begin;
      while (begin > 0 && text[begin - 1] != ' ') --begin;
      text.erase(begin, at - begin);
      at = begin;
      return true;
    }
    default:
      return false;
  }
}

Effect HandlePromptKey(const KeyEvent& key, absl::Time now, absl::TimeZone zone,
                       TopState& state) {
  Prompt& prompt = state.prompt;
  if (key.code == Code::kEnter) return Enter(now, zone, state);
  if (key.code == Code::kEscape || key.code == Code::kInterrupt) {
    const bool filter = prompt.kind == Kind::kFilter;
    ClosePrompt(state);
    if (filter) {
      state.filter = state.filter_before;
      state.Settle(now);
    } else {
      state.message = "nothing done";
    }
    return {};
  }
  if (!EditPrompt(key, prompt)) return {};
  prompt.error.clear();
  // The table follows what is typed as soon as it makes sense.
  if (prompt.kind == Kind::kFilter) {
    absl::StatusOr<Filter> filter = Filter::Parse(prompt.text, state.labels);
    if (filter.ok()) {
      state.filter = *std::move(filter);
      state.Settle(now);
    }
  }
  return {};
}

}  // namespace specula::ctl
