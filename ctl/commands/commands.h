#ifndef SPECULA_CTL_COMMANDS_COMMANDS_H_
#define SPECULA_CTL_COMMANDS_COMMANDS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"

namespace specula::ctl {

// What commands get when they are declared.
struct CommandContext {
  // Complete only when `run` is called.
  FleetOptions options;
  // What stood after `--`, word for word; absent without one.
  std::optional<std::vector<std::string>> words;
  // Set by a chosen command that has a use for them.
  bool takes_words = false;
  // What the chosen command does: the exit code is what it returns.
  std::function<int(Interrupt&)> run;
};

// Each declares one subcommand on `app`, whose choice sets context.run.
void AddListCommand(CLI::App& app, CommandContext& context);
void AddHostsCommand(CLI::App& app, CommandContext& context);
void AddPingCommand(CLI::App& app, CommandContext& context);
void AddStatusCommand(CLI::App& app, CommandContext& context);
void AddCpuCommand(CLI::App& app, CommandContext& context);
void AddMemCommand(CLI::App& app, CommandContext& context);
void AddDiskCommand(CLI::App& app, CommandContext& context);
void AddPsCommand(CLI::App& app, CommandContext& context);
void AddExecCommand(CLI::App& app, CommandContext& context);
void AddStartCommand(CLI::App& app, CommandContext& context);
void AddKillCommand(CLI::App& app, CommandContext& context);
void AddTailCommand(CLI::App& app, CommandContext& context);
void AddDoctorCommand(CLI::App& app, CommandContext& context);
void AddConsoleCommand(CLI::App& app, CommandContext& context);
void AddTopCommand(CLI::App& app, CommandContext& context);
void AddRunsCommand(CLI::App& app, CommandContext& context);
void AddShowCommand(CLI::App& app, CommandContext& context);
void AddRerunCommand(CLI::App& app, CommandContext& context);
void AddDiffCommand(CLI::App& app, CommandContext& context);
void AddAuditCommand(CLI::App& app, CommandContext& context);
void AddBootstrapCommand(CLI::App& app, CommandContext& context);
void AddPkiCommand(CLI::App& app, CommandContext& context);
void AddCompletionCommand(CLI::App& app, CommandContext& context);

// What the scripts of AddCompletionCommand ask, once all commands are declared:
// prints what the last of `words` can become, a line each.
int RunComplete(CLI::App& app, CommandContext& context,
                const std::vector<std::string>& words);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_COMMANDS_COMMANDS_H_
