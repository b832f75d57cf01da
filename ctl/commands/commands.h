#ifndef SPECULA_CTL_COMMANDS_COMMANDS_H_
#define SPECULA_CTL_COMMANDS_COMMANDS_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"

namespace specula::ctl {

// What commands get when they are declared.
struct CommandContext {
  // Complete only when `run` is called.
  FleetOptions options;
  // What the chosen command does: the exit code is what it returns.
  std::function<int(Interrupt&)> run;
};

// Each declares one subcommand on `app`, whose choice sets context.run.
void AddListCommand(CLI::App& app, CommandContext& context);
void AddPingCommand(CLI::App& app, CommandContext& context);
void AddStatusCommand(CLI::App& app, CommandContext& context);
void AddCpuCommand(CLI::App& app, CommandContext& context);
void AddMemCommand(CLI::App& app, CommandContext& context);
void AddDiskCommand(CLI::App& app, CommandContext& context);
void AddPsCommand(CLI::App& app, CommandContext& context);
void AddPkiCommand(CLI::App& app, CommandContext& context);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMMANDS_COMMANDS_H_
