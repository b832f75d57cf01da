#ifndef SPECULA_CTL_BATCH_OPTIONS_H_
#define SPECULA_CTL_BATCH_OPTIONS_H_

#include "CLI/CLI.hpp"
#include "ctl/command_options.h"
#include "ctl/fleet.h"
#include "ctl/run_exec.h"

namespace specula::ctl {

// The options by which commands that run batches fill a form.
void DeclareBatchOptions(CLI::App* command, ExecForm& form);

// What the form takes from the options of the fleet and of the command.
void FitForm(const FleetOptions& fleet, const CommandOptions& command,
             ExecForm& form);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BATCH_OPTIONS_H_
