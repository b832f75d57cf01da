#include "agent/broker/ceiling.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

bool Holds(const std::vector<std::string>& list, absl::string_view text) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& item) {
    return absl::string_view(item) == text;
  });
}

absl::Status Refused(absl::string_view what) {
  return absl::PermissionDeniedError(
      absl::StrCat("this host's ceiling: ", what));
}

absl::Status TooMany(absl::string_view what, int limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, " reach this host's limit of ", limit));
}

}  // namespace

absl::Status CheckCeiling(const Ceiling& ceiling) {
  for (const auto* paths : {&ceiling.programs, &ceiling.tail_roots}) {
    for (const std::string& path : *paths) {
      if (!absl::StartsWith(path, "/")) {
        return absl::InvalidArgumentError(
            absl::StrCat("ceiling: not an absolute path: ", path));
      }
    }
  }
  if (ceiling.max_execs < 0 || ceiling.max_execs_per_caller < 0 ||
      ceiling.max_started < 0 || ceiling.max_output_bytes < 0 ||
      ceiling.max_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("ceiling: a limit is negative");
  }
  return absl::OkStatus();
}

absl::Status AllowsCommand(const Ceiling& ceiling, bool start,
                           const RunningCounts& running) {
  if (!ceiling.commands) return Refused("no commands");
  if (start) {
    if (running.started >= ceiling.max_started) {
      return TooMany(
          "started programs that run, or have left something running,",
          ceiling.max_started);
    }
    return absl::OkStatus();
  }
  if (running.execs >= ceiling.max_execs)
    return TooMany("commands that run", ceiling.max_execs);
  if (running.execs_of_caller >= ceiling.max_execs_per_caller) {
    return TooMany("commands of one caller that run",
                   ceiling.max_execs_per_caller);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AllowedUser(const Ceiling& ceiling,
                                        absl::string_view asked,
                                        absl::string_view own_user) {
  const absl::string_view user =
      asked.empty() ? absl::string_view(ceiling.default_user) : asked;
  const absl::string_view name = user.empty() ? own_user : user;
  if (!ceiling.users.empty() && !Holds(ceiling.users, name)) {
    return Refused(absl::StrCat("no commands as user ", name));
  }
  return std::string(user == own_user ? "" : user);
}

absl::StatusOr<std::vector<std::string>> AllowedPrograms(
    const Ceiling& ceiling, std::vector<std::string> candidates,
    const Environment& asked) {
  if (ceiling.programs.empty()) return candidates;
  std::vector<std::string> allowed;
  for (std::string& candidate : candidates) {
    if (Holds(ceiling.programs, candidate))
      allowed.push_back(std::move(candidate));
  }
  if (allowed.empty())
    return Refused("this program is not one of those that may be run");
  if (!asked.empty())
    return Refused("no environment for the programs that may be run");
  return allowed;
}

absl::Duration AllowedTimeout(const Ceiling& ceiling, absl::Duration asked) {
  const absl::Duration limit = ceiling.max_timeout;
  if (limit == absl::ZeroDuration()) return asked;
  return asked == absl::ZeroDuration() ? limit : std::min(asked, limit);
}

int64_t AllowedOutputBytes(const Ceiling& ceiling, int64_t asked) {
  const int64_t limit = ceiling.max_output_bytes;
  if (limit == 0) return asked;
  return asked == 0 ? limit : std::min(asked, limit);
}

absl::Status AllowsTail(const Ceiling& ceiling) {
  return ceiling.tail ? absl::OkStatus() : Refused("no files");
}

absl::Status AllowsKill(const Ceiling& ceiling, bool is_started_here) {
  if (ceiling.kill == KillScope::kNone) return Refused("no signals");
  if (ceiling.kill == KillScope::kStarted && !is_started_here) {
    return Refused("signals only to what was started through the agent");
  }
  return absl::OkStatus();
}

}  // namespace specula::agent
