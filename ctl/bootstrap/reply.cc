#include "ctl/bootstrap/reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr absl::string_view kMark = "@specula ";
constexpr absl::string_view kNothing = "-";
constexpr size_t kMostNotes = 8;
constexpr size_t kShaDigits = 64;

bool IsWord(absl::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '_' || c == '-';
         });
}

bool IsSha256(absl::string_view text) {
  return text.size() == kShaDigits &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::Status Odd(absl::string_view key, absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat("the host gave an odd answer: ", key, " '",
                   EscapeControls(value.substr(0, 100)), "'"));
}

absl::Status TakeYesNo(const Reply& reply, bool& answer) {
  if (reply.value != "yes" && reply.value != "no") {
    return Odd(reply.key, reply.value);
  }
  answer = reply.value == "yes";
  return absl::OkStatus();
}

absl::Status TakeFile(const Reply& reply, Facts& facts) {
  const std::vector<absl::string_view> words = absl::StrSplit(reply.value, ' ');
  if (words.size() != 2 || !IsWord(words[0])) {
    return Odd(reply.key, reply.value);
  }
  if (words[1] == kNothing) return absl::OkStatus();
  if (!IsSha256(words[1])) return Odd(reply.key, reply.value);
  facts.files[std::string(words[0])] = std::string(words[1]);
  return absl::OkStatus();
}

absl::Status Take(const Reply& reply, Facts& facts) {
  if (reply.key == "arch") {
    if (!IsWord(reply.value)) return Odd(reply.key, reply.value);
    facts.architecture = reply.value;
  } else if (reply.key == "systemd") {
    return TakeYesNo(reply, facts.systemd);
  } else if (reply.key == "packaged") {
    return TakeYesNo(reply, facts.packaged);
  } else if (reply.key == "file") {
    return TakeFile(reply, facts);
  } else if (reply.key == "agent") {
    absl::StatusOr<AgentProcess> agent = ParseAgentProcess(reply.value);
    if (!agent.ok()) return agent.status();
    facts.agent = *std::move(agent);
  } else if (reply.key == "note" && facts.notes.size() < kMostNotes) {
    facts.notes.push_back(EscapeControls(reply.value));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<Reply> ParseReply(absl::string_view line) {
  absl::ConsumeSuffix(&line, "\r");
  if (!absl::ConsumePrefix(&line, kMark)) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits(' ', 1));
  if (!IsWord(parts.first)) return std::nullopt;
  return Reply{std::string(parts.first), std::string(parts.second)};
}

std::vector<Reply> ReplyReader::Feed(absl::string_view bytes) {
  std::vector<Reply> replies;
  while (true) {
    const size_t end = bytes.find('\n');
    const absl::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kLongestLine) too_long_ = true;
    if (too_long_) {
      line_.clear();
    } else {
      absl::StrAppend(&line_, part);
    }
    if (end == absl::string_view::npos) return replies;
    if (!too_long_) {
      if (std::optional<Reply> reply = ParseReply(line_)) {
        replies.push_back(*std::move(reply));
      }
    }
    line_.clear();
    too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
}

absl::StatusOr<AgentProcess> ParseAgentProcess(absl::string_view value) {
  const std::vector<absl::string_view> words = absl::StrSplit(value, ' ');
  AgentProcess agent;
  if (words.size() != 3 || !absl::SimpleAtoi(words[1], &agent.pid) ||
      agent.pid < 0 ||
      (words[2] != kNothing && !words[2].empty() && !IsSha256(words[2]))) {
    return Odd("agent", value);
  }
  if (words[0] == "systemd") {
    agent.supervisor = Supervisor::kSystemd;
  } else if (words[0] == "plain") {
    agent.supervisor = Supervisor::kPlain;
  } else if (words[0] != "none") {
    return Odd("agent", value);
  }
  if ((agent.supervisor == Supervisor::kNone) != (agent.pid == 0)) {
    return Odd("agent", value);
  }
  if (IsSha256(words[2])) agent.sha256 = std::string(words[2]);
  return agent;
}

absl::StatusOr<Facts> ParseFacts(const std::vector<Reply>& replies) {
  Facts facts;
  std::map<std::string, int> seen;
  for (const Reply& reply : replies) {
    ++seen[reply.key];
    absl::Status status = Take(reply, facts);
    if (!status.ok()) return status;
  }
  for (const char* key : {"arch", "systemd", "packaged", "agent"}) {
    if (seen[key] != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("the host said ", seen[key] == 0 ? "nothing" : "twice",
                       " of its '", key, "'"));
    }
  }
  return facts;
}

}  // namespace specula::ctl
