#ifndef SPECULA_AGENT_DIRECTORIES_H_
#define SPECULA_AGENT_DIRECTORIES_H_

#include "absl/status/status.h"
#include "agent/options.h"

namespace specula::agent {

// Makes the state directory (0755, as the front must pass through) and that of
// the audit log (0700, the front's own), where they are missing. Run by the
// broker, whose rights it may take. Errors carry the path.
absl::Status MakeDirectories(const Options& options);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_DIRECTORIES_H_
