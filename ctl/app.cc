#include "ctl/app.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/interrupt.h"
#include "ctl/man_text.h"
#include "ctl/user_files.h"
#include "lib/base/version.h"
#include "lib/config/man_page.h"
#include "lib/config/option_text.h"
#include "lib/config/settings.h"
#include "lib/rpc/tls_policy.h"

namespace specula::ctl {
namespace {

void DeclareFleetOptions(CLI::App& app, FleetOptions& options) {
  app.add_option("--hosts", options.selection.hosts,
                 "Whom to ask: vm[01-64],@web!vm7,10.0.0.[1-9]:60120; the "
                 "whole inventory if not given")
      ->envname("SPECULA_HOSTS");
  app.add_option("-x,--exclude", options.selection.exclude,
                 "Hosts to leave out: a host set");
  app.add_option("--pick", options.selection.pick,
                 "Ask so many of them, chosen by chance")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31));
  app.add_option("--inventory", options.inventory,
                 "The fleet: a file (TOML, lines, Ansible's INI or YAML), a "
                 "directory of Ansible's, or dns:///NAME[:PORT]")
      ->envname("SPECULA_INVENTORY");
  app.add_option("--ca", options.paths.ca,
                 "Certificates of the authorities of agents (PEM)")
      ->envname("SPECULA_CA");
  app.add_option("--cert", options.paths.certificate, "Your certificate (PEM)")
      ->envname("SPECULA_CERT");
  app.add_option("--key", options.paths.key,
                 "Its key (PEM, accessible to you only)")
      ->envname("SPECULA_KEY");
  app.add_option("--timeout", options.timeout_seconds,
                 "Seconds that each host gets to answer")
      ->envname("SPECULA_TIMEOUT")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app.add_flag("--json", options.json,
               "One JSON object for each host, one on a line");
  app.add_option("--watch", options.watch_seconds,
                 "Repeat every so many seconds")
      ->check(CLI::Range(0.1, 86400.0));
}

// How many words of the command line are ours: `--` and what stands after it
// are not. CLI11 would go on looking for options there, and split "[a,b]".
int OwnWords(int argc, char** argv) {
  return static_cast<int>(
      std::find_if(argv, argv + argc,
                   [](const char* word) { return strcmp(word, "--") == 0; }) -
      argv);
}

}  // namespace

int RunApp(int argc, char** argv) {
  CLI::App app("Specula: the eye and the hand over a fleet of Linux machines.",
               "specula");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.fallthrough();  // options of the fleet may stand before or after the
                      // command
  CommandContext context;
  std::string config = UserConfigFile("ctl.toml");
  app.option_defaults()
      ->take_last();  // of the fleet's options the last one counts
  app.add_option("--config", config,
                 "Configuration file (TOML); its keys are these options' names")
      ->envname("SPECULA_CTL_CONFIG");
  DeclareFleetOptions(app, context.options);
  app.option_defaults()->multi_option_policy();
  AddListCommand(app, context);
  AddHostsCommand(app, context);
  AddPingCommand(app, context);
  AddStatusCommand(app, context);
  AddDoctorCommand(app, context);
  AddCpuCommand(app, context);
  AddMemCommand(app, context);
  AddDiskCommand(app, context);
  AddPsCommand(app, context);
  AddExecCommand(app, context);
  AddStartCommand(app, context);
  AddKillCommand(app, context);
  AddTailCommand(app, context);
  AddConsoleCommand(app, context);
  AddTopCommand(app, context);
  AddRunsCommand(app, context);
  AddShowCommand(app, context);
  AddRerunCommand(app, context);
  AddDiffCommand(app, context);
  AddAuditCommand(app, context);
  AddBootstrapCommand(app, context);
  AddPkiCommand(app, context);
  AddCompletionCommand(app, context);
  app.footer(
      "Exit code: 0 all hosts answered, 255 some host gave no result, 2 wrong "
      "usage,\n"
      "130 interrupted, 141 the reader of the output has gone; exec on one "
      "host: that of\n"
      "the command (see exec --help).\n\n"
      "Example: specula --hosts 'vm[01-64]' --ca ca.crt --cert me.crt --key "
      "me.key status");
  if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
    return RunComplete(app, context, {argv + 2, argv + argc});
  }
  if (const auto page =
          PrintManPageIfAsked(argc, argv, app, ControllerManText())) {
    return ExitCodeOf(*page);
  }
  const int own = OwnWords(argc, argv);
  if (own < argc) context.words.emplace(argv + own + 1, argv + argc);
  try {
    app.parse(own, argv);
  } catch (const CLI::ParseError& error) {
    const std::optional<Written> help = PrintParseEnd(app, error);
    return help.has_value() ? ExitCodeOf(*help) : kExitUsage;
  }
  if (context.words.has_value() && !context.takes_words) {
    return UsageError(absl::InvalidArgumentError(
        "only exec and start take a program after --"));
  }
  const bool named = app.get_option("--config")->count() > 0;
  if (absl::Status status = ApplyTomlFile(app, config, named); !status.ok()) {
    return UsageError(status);
  }
  if (absl::Status status = EnforceTlsPolicy(); !status.ok())
    return UsageError(status);
  Interrupt interrupt;
  return context.run(interrupt);
}

}  // namespace specula::ctl
