#include "agent/broker/environment.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace specula::agent {
namespace {

constexpr char kPath[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

Environment BuildEnvironment(const User& user, const Environment& asked,
                             absl::string_view exec_id) {
  Environment environment = {
      {"HOME", user.home.empty() ? "/" : user.home},
      // Present on every glibc and musl, and it leaves bytes alone.
      {"LANG", "C.UTF-8"},
      {"LOGNAME", user.name},
      {"PATH", kPath},
      {"SHELL", user.shell.empty() ? "/bin/sh" : user.shell},
      {"USER", user.name},
  };
  for (const auto& [name, value] : asked) environment[name] = value;
  environment[kExecIdVariable] = std::string(exec_id);
  return environment;
}

std::vector<std::string> EnvironmentStrings(const Environment& environment) {
  std::vector<std::string> strings;
  strings.reserve(environment.size());
  for (const auto& [name, value] : environment)
    strings.push_back(absl::StrCat(name, "=", value));
  return strings;
}

std::vector<std::string> ProgramCandidates(absl::string_view program,
                                           absl::string_view path) {
  if (absl::StrContains(program, '/')) return {std::string(program)};
  std::vector<std::string> candidates;
  for (absl::string_view directory : absl::StrSplit(path, ':')) {
    candidates.push_back(directory.empty()
                             ? absl::StrCat("./", program)
                             : absl::StrCat(directory, "/", program));
  }
  return candidates;
}

}  // namespace specula::agent
