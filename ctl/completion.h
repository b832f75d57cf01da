#ifndef SPECULA_CTL_COMPLETION_H_
#define SPECULA_CTL_COMPLETION_H_

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/string_view.h"
#include "ctl/hosts/host_set.h"

namespace specula::ctl {

// What can stand on the command line without being in CLI11's tree. Asked only
// when it matters; must ask no host.
struct CompletionSources {
  std::function<HostCatalog()> catalog;
  std::function<std::vector<std::string>()> runs;
};

// One word that can stand in place of the last one, and what it is.
struct Candidate {
  std::string word;
  std::string help;  // one line; may be empty
};

// What the last of `words` (after the program's name; it may be empty) can
// become. Nothing where files or anything else are wanted. Pure but for the
// sources.
std::vector<Candidate> Complete(const CLI::App& app,
                                const std::vector<std::string>& words,
                                const CompletionSources& sources);

// The script that makes a shell ask `specula __complete`; empty for a shell
// that is not known. Pure.
absl::string_view CompletionScript(absl::string_view shell);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMPLETION_H_
