#include "ctl/app.h"

#include <cstdlib>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/interrupt.h"
#include "lib/config/settings.h"
#include "lib/rpc/tls_policy.h"

namespace specula::ctl {
namespace {

std::string DefaultConfigPath() {
  const char* base = getenv("XDG_CONFIG_HOME");
  if (base != nullptr && *base == '/')
    return absl::StrCat(base, "/specula/ctl.toml");
  const char* home = getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.config/specula/ctl.toml");
}

void DeclareFleetOptions(CLI::App& app, FleetOptions& options) {
  app.add_option("--hosts", options.hosts,
                 "Whom to ask: vm[01-64],10.0.0.[1-9]:60120")
      ->envname("SPECULA_HOSTS");
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

}  // namespace

int RunApp(int argc, char** argv) {
  CLI::App app("Specula: the eye and the hand over a fleet of Linux machines.",
               "specula");
  app.set_version_flag("--version", SPECULA_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // options of the fleet may stand before or after the
                      // command
  CommandContext context;
  std::string config = DefaultConfigPath();
  app.option_defaults()
      ->take_last();  // of the fleet's options the last one counts
  app.add_option("--config", config,
                 "Configuration file (TOML); its keys are these options' names")
      ->envname("SPECULA_CTL_CONFIG");
  DeclareFleetOptions(app, context.options);
  app.option_defaults()->multi_option_policy();
  AddListCommand(app, context);
  AddPingCommand(app, context);
  AddStatusCommand(app, context);
  AddCpuCommand(app, context);
  AddMemCommand(app, context);
  AddDiskCommand(app, context);
  AddPsCommand(app, context);
  AddPkiCommand(app, context);
  app.footer(
      "Exit code: 0 all hosts answered, 255 some host gave no result, 2 wrong "
      "usage,\n"
      "130 interrupted.\n\n"
      "Example: specula --hosts vm[01-64] --ca ca.crt --cert me.crt --key "
      "me.key status");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
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
