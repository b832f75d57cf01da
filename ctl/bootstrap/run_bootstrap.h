#ifndef SPECULA_CTL_BOOTSTRAP_RUN_BOOTSTRAP_H_
#define SPECULA_CTL_BOOTSTRAP_RUN_BOOTSTRAP_H_

#include <string>
#include <vector>

#include "ctl/bootstrap/host_bootstrap.h"
#include "ctl/bootstrap/ssh_target.h"
#include "ctl/interrupt.h"

namespace specula::ctl {

struct BootstrapRun {
  size_t width = 16;      // hosts at a time
  bool json = false;      // a line for each host, instead of the table
  std::string inventory;  // the file that hosts are added to; empty: none
};

// Bootstraps all of `targets`, some at a time, adds those that answer to the
// inventory, and prints what became of each. At the first Ctrl-C what was begun
// is undone, at the second it is left to the hosts to do so. Gives the exit
// code: 1 where a host was reached and is not as it shall be, 255 where one was
// not reached.
int RunBootstrap(const BootstrapSettings& settings,
                 const std::vector<SshTarget>& targets, const BootstrapRun& run,
                 Interrupt& interrupt);

// The table, and a line that counts. Pure.
std::string ViewBootstrap(const std::vector<SshTarget>& targets,
                          const std::vector<HostReport>& reports, bool dry_run);

// The exit code for what became of the hosts. Pure.
int BootstrapExitCode(const std::vector<HostReport>& reports);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_RUN_BOOTSTRAP_H_
