#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ctl/bootstrap/run_bootstrap.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/pki/directory.h"
#include "ctl/quantity.h"
#include "ctl/user_files.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/config/toml.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/denylist.h"

namespace specula::ctl {
namespace {

// As it stands on the command line.
struct BootstrapOptions {
  std::vector<std::string> hosts;
  std::string pki;
  std::vector<std::string> agents;
  std::vector<std::string> sans;
  std::string listen;
  std::string config_path;
  bool no_systemd = false;
  bool renew = false;
  std::string within = "30d";
  int days = 397;
  int width = 16;
  std::string wait = "30s";
  SshOptions ssh;
  bool no_inventory = false;
  bool dry_run = false;
};

// Further lines of agent.toml. What bootstrap itself writes there, they must
// leave out: the agent refuses a key that is there twice.
absl::StatusOr<std::string> ReadAgentConfig(const std::string& path) {
  if (path.empty()) return std::string();
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const toml::parse_result table = toml::parse(text, path);
  if (!table) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", table.error().source().begin.line, ": ",
                     std::string(table.error().description())));
  }
  for (const char* key : {"listen", "ca", "cert", "key", "denylist"}) {
    if (!table.table().contains(key)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": '", key, "' is set by bootstrap; take it out",
        absl::string_view(key) == "listen" ? ", and use --listen" : ""));
  }
  return text;
}

absl::StatusOr<HostPort> ParseListen(const std::string& text) {
  if (text.empty()) return HostPort{"0.0.0.0", 0};
  constexpr absl::string_view kHost = "%h";
  if (!absl::StartsWith(text, kHost)) return ParseHostPort(text, kAgentPort);
  ASSIGN_OR_RETURN(
      HostPort parsed,
      ParseHostPort(absl::StrCat("h", text.substr(kHost.size())), kAgentPort));
  if (parsed.host != "h" || parsed.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen '", EscapeControls(text), "': write %h or %h:PORT"));
  }
  return HostPort{std::string(kHost), parsed.port};
}

absl::Status ReadAuthority(const BootstrapOptions& options,
                           CredentialPaths paths, BootstrapSettings& settings) {
  if (options.pki.empty()) {
    return absl::InvalidArgumentError(
        "--pki is missing: the directory of the authority that issues the "
        "agents' certificates; 'specula pki init DIR' makes one");
  }
  ASSIGN_OR_RETURN(Authority authority,
                   LoadAuthority(options.pki, absl::Now()));
  settings.pki = options.pki;
  settings.roots_pem = std::make_shared<const std::string>(
      std::move(authority.pair.certificate_pem));
  absl::StatusOr<std::string> denylist = ReadFile(DenylistPath(options.pki));
  if (absl::IsNotFound(denylist.status())) denylist = std::string("# none\n");
  RETURN_IF_ERROR(denylist.status());
  absl::Status sound = ParseDenylist(*denylist).status();
  if (!sound.ok()) return Prefixed(DenylistPath(options.pki), sound);
  settings.denylist = std::make_shared<const std::string>(*std::move(denylist));
  if (paths.ca.empty()) paths.ca = PathsOf(options.pki, "ca").certificate;
  if (paths.certificate.empty() || paths.key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--cert or --key is missing: each agent is asked over mutual TLS "
        "whether it is up. 'specula pki client ",
        options.pki, " NAME --role admin' makes them"));
  }
  ASSIGN_OR_RETURN(settings.credentials, LoadCredentials(paths));
  // Said now, and not by every agent after it was installed.
  absl::Status chain =
      CheckMaterial(*settings.roots_pem, settings.credentials.certificate_pem,
                    settings.credentials.key_pem, absl::Now());
  if (chain.ok()) return chain;
  return absl::FailedPreconditionError(absl::StrCat(
      paths.certificate, " is not of the authority in ", options.pki,
      ", so the agents would refuse it: ", chain.message()));
}

absl::StatusOr<BootstrapSettings> MakeSettings(const BootstrapOptions& options,
                                               const FleetOptions& fleet,
                                               size_t hosts) {
  BootstrapSettings settings;
  RETURN_IF_ERROR(ReadAuthority(options, fleet.paths, settings));
  settings.ssh = options.ssh;
  // One host, and somebody who could type a password.
  settings.ssh.batch = hosts != 1 || isatty(STDIN_FILENO) == 0;
  settings.plan = {options.renew, options.no_systemd,
                   !options.config_path.empty()};
  settings.sans = options.sans;
  ASSIGN_OR_RETURN(settings.within, ParseQuantityOfTime(options.within));
  ASSIGN_OR_RETURN(settings.wait, ParseQuantityOfTime(options.wait));
  ASSIGN_OR_RETURN(settings.listen, ParseListen(options.listen));
  ASSIGN_OR_RETURN(settings.config, ReadAgentConfig(options.config_path));
  RETURN_IF_ERROR(CheckDays(options.days));
  settings.days = options.days;
  settings.dry_run = options.dry_run;
  if (!options.renew) {
    ASSIGN_OR_RETURN(settings.programs, AgentPrograms::Load(options.agents));
  }
  return settings;
}

// Where hosts are added; empty: nowhere.
absl::StatusOr<std::string> InventoryToWrite(const BootstrapOptions& options,
                                             const FleetOptions& fleet) {
  if (options.no_inventory || options.dry_run) return std::string();
  if (fleet.inventory.empty()) {
    // ~/.config is everybody's; ours is made.
    std::string path = UserConfigFile("inventory.toml");
    MakeFoldersOf(path);
    return path;
  }
  if (absl::EndsWith(fleet.inventory, ".toml")) return fleet.inventory;
  return absl::InvalidArgumentError(absl::StrCat(
      "--inventory ", fleet.inventory,
      ": hosts can be added to one in TOML only; --no-inventory adds none"));
}

// Of the fleet's selection what leaves hosts out counts here as well.
absl::StatusOr<std::vector<SshTarget>> FindTargets(
    const BootstrapOptions& options, const Selection& selection,
    const Inventory& inventory) {
  if (selection.pick > 0) {
    return absl::InvalidArgumentError("--pick is not for bootstrap");
  }
  ASSIGN_OR_RETURN(std::vector<SshTarget> targets,
                   ParseSshTargets(options.hosts, inventory));
  if (selection.exclude.empty()) return targets;
  ASSIGN_OR_RETURN(std::vector<SshTarget> out,
                   ParseSshTargets({selection.exclude}, inventory));
  std::erase_if(targets, [&](const SshTarget& target) {
    return std::any_of(out.begin(), out.end(), [&](const SshTarget& other) {
      return other.name == target.name;
    });
  });
  if (!targets.empty()) return targets;
  return absl::InvalidArgumentError("no host is left");
}

int Bootstrap(const BootstrapOptions& options, const FleetOptions& fleet,
              Interrupt& interrupt) {
  absl::StatusOr<Inventory> inventory = LoadInventory(fleet);
  // One that is to be made is no error.
  if (absl::IsNotFound(inventory.status()) &&
      absl::EndsWith(fleet.inventory, ".toml")) {
    inventory = Inventory();
  }
  if (!inventory.ok()) return UsageError(inventory.status());
  absl::StatusOr<std::vector<SshTarget>> targets =
      FindTargets(options, fleet.selection, *inventory);
  if (!targets.ok()) return UsageError(targets.status());
  absl::StatusOr<BootstrapSettings> settings =
      MakeSettings(options, fleet, targets->size());
  if (!settings.ok()) return UsageError(settings.status());
  absl::StatusOr<std::string> path = InventoryToWrite(options, fleet);
  if (!path.ok()) return UsageError(path.status());
  BootstrapRun run;
  run.width = static_cast<size_t>(options.width);
  run.json = fleet.json;
  run.inventory = *std::move(path);
  return RunBootstrap(*settings, *targets, run, interrupt);
}

void Declare(CLI::App* command, BootstrapOptions& options) {
  command
      ->add_option("HOST", options.hosts,
                   "[USER@]HOST[:PORT] as ssh has it, vm[01-64], or hosts of "
                   "the inventory: @web")
      ->required();
  command
      ->add_option("--pki", options.pki,
                   "Directory of the authority (specula pki init)")
      ->envname("SPECULA_PKI");
  command
      ->add_option("--agent", options.agents,
                   "The static specula-agent to install, one for each "
                   "architecture (beside\nthis program, or in "
                   "../lib/specula/agents/<arch>)")
      ->allow_extra_args(false);
  command
      ->add_option("--san", options.sans,
                   "Further name or address that the certificates are for")
      ->allow_extra_args(false);
  command->add_option("--listen", options.listen,
                      "Where a new agent serves: ADDRESS:PORT; %h is the "
                      "host's address (0.0.0.0:60120)");
  command->add_option("--agent-config", options.config_path,
                      "Further lines for /etc/specula/agent.toml, such as the "
                      "ceiling. Without it\na configuration that is there "
                      "stays as it is");
  command->add_flag("--no-systemd", options.no_systemd,
                    "Start it plainly in the background (as where systemd "
                    "does not run)");
  command->add_flag("--renew", options.renew,
                    "Bring certificates and denylist only; nothing is "
                    "restarted");
  command
      ->add_option("--within", options.within,
                   "Reissue certificates that end in that time")
      ->capture_default_str();
  command->add_option("--days", options.days, "How long new ones are valid")
      ->capture_default_str();
  command->add_option("--width", options.width, "Hosts at a time")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--wait", options.wait,
                   "How long a new agent may take to answer")
      ->capture_default_str();
  command
      ->add_option("--ssh", options.ssh.program,
                   "The ssh program, with options: 'ssh -F FILE'")
      ->capture_default_str();
  command
      ->add_option("--ssh-option", options.ssh.options,
                   "For ssh's -o, as IdentityFile=KEY; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--no-inventory", options.no_inventory,
                    "Do not add the hosts to the inventory");
  command->add_flag("--dry-run", options.dry_run,
                    "Only look, and say what would be done");
}

}  // namespace

void AddBootstrapCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "bootstrap",
      "Install, upgrade or repair agents over ssh, and bring certificates");
  auto options = std::make_shared<BootstrapOptions>();
  Declare(command, *options);
  command->footer(
      "Run again it changes only what is not as it shall be. An agent that "
      "does not come up is\nundone, and the one from before is started again. "
      "Root there, or sudo without a password.\n"
      "Exit code: 0 all are as they shall be, 1 some were reached and are not "
      "(undone), 255 some\nwere not reached, 130 interrupted.\n\n"
      "Examples: specula bootstrap root@vm1 --pki ca\n"
      "          specula bootstrap 'admin@vm[01-64]' --pki ca --agent "
      "specula-agent --dry-run\n"
      "          specula bootstrap --renew '@*' --pki ca\n"
      "          specula bootstrap vm7:2222 --pki ca --ssh-option "
      "IdentityFile=key");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      absl::Status status =
          CheckNoFleetForm(context.options, "bootstrap", true);
      if (!status.ok()) return UsageError(status);
      return Bootstrap(*options, context.options, interrupt);
    };
  });
}

}  // namespace specula::ctl
