#ifndef SPECULA_CTL_BOOTSTRAP_AGENT_PROGRAMS_H_
#define SPECULA_CTL_BOOTSTRAP_AGENT_PROGRAMS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ctl/bootstrap/plan.h"

namespace specula::ctl {

// The agents that can be installed, by the architecture in their ELF header.
// Each is read once. Thread-safe once made.
class AgentPrograms {
 public:
  // Reads `files`, one for each architecture; if none is given what lies beside
  // this program and in lib/specula/agents/<architecture>/specula-agent.
  // Errors carry the path: what is no program for Linux, two for one machine,
  // or none at all.
  static absl::StatusOr<AgentPrograms> Load(
      const std::vector<std::string>& files);

  // The one for a machine, by what `uname -m` says there. FAILED_PRECONDITION
  // says what there is instead.
  absl::StatusOr<WantedFile> For(const std::string& machine) const;

 private:
  struct Program {
    std::string path;
    WantedFile file;
  };
  absl::Status Add(const std::string& path);

  std::map<std::string, Program> programs_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_AGENT_PROGRAMS_H_
