#ifndef SPECULA_CTL_BOOTSTRAP_ASSETS_H_
#define SPECULA_CTL_BOOTSTRAP_ASSETS_H_

#include "absl/strings/string_view.h"

// Files that are built into the controller.
namespace specula::ctl {

// What runs on the host: remote.sh.
absl::string_view RemoteScript();

// deploy/systemd, with the place where bootstrap puts the agent.
absl::string_view AgentUnit();
absl::string_view SystemUsers();
absl::string_view TemporaryFiles();

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_ASSETS_H_
