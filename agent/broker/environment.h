#ifndef SPECULA_AGENT_BROKER_ENVIRONMENT_H_
#define SPECULA_AGENT_BROKER_ENVIRONMENT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/broker/users.h"

// What a child finds in its environment. Pure.
namespace specula::agent {

// Marks every process of a job that kept its environment; how the tree is found
// where there is no cgroup. Nobody may set it.
inline constexpr char kExecIdVariable[] = "SPECULA_EXEC_ID";

using Environment = std::map<std::string, std::string>;

// HOME, LANG, LOGNAME, PATH, SHELL, USER as of a fresh login, then what is
// `asked` over them, then SPECULA_EXEC_ID. Nothing of the agent's own
// environment.
Environment BuildEnvironment(const User& user, const Environment& asked,
                             absl::string_view exec_id);

// "NAME=value" each, in order of the names.
std::vector<std::string> EnvironmentStrings(const Environment& environment);

// Where a program is looked for: itself if it has a slash, else in each
// directory of `path` ("" stands for the working directory, as in a shell).
std::vector<std::string> ProgramCandidates(absl::string_view program,
                                           absl::string_view path);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_ENVIRONMENT_H_
