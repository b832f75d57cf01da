#include "agent/options.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/users.h"
#include "agent/man_text.h"
#include "lib/base/status_macros.h"
#include "lib/base/version.h"
#include "lib/config/man_page.h"
#include "lib/config/option_text.h"
#include "lib/config/settings.h"

namespace specula::agent {
namespace {

constexpr char kConfigPath[] = "/etc/specula/agent.toml";
constexpr char kStateDirectory[] = "/var/lib/specula";
constexpr char kFrontUser[] = "specula";
constexpr uint16_t kPort = 60120;

// What CLI11 fills, as text and plain numbers.
struct Raw {
  std::string listen = "0.0.0.0:60120";
  std::string health_listen;
  double handshake_timeout_seconds = 10;
  double reload_interval_seconds = 1;
  double probe_timeout_seconds = 5;
  std::string config = kConfigPath;
  std::string front_user = kFrontUser;
  std::string kill_scope = "any";
  double max_timeout_seconds = 0;
};

std::string DefaultStateDirectory() {
  if (geteuid() == 0) return kStateDirectory;
  const char* base = getenv("XDG_STATE_HOME");
  if (base != nullptr && *base == '/')
    return absl::StrCat(base, "/specula/agent");
  const char* home = getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home,
                      "/.local/state/specula/agent");
}

// Who serves the network. A user that was named must be there; the usual one
// need not be, on a machine where nothing was installed.
absl::Status ChooseFrontUser(const std::string& name, bool named,
                             Options& options) {
  if (geteuid() != 0) return absl::OkStatus();
  UserFiles files;
  if (absl::StatusOr<User> user = files.Find(name); user.ok()) {
    options.front_user = name;
    return absl::OkStatus();
  }
  if (named) {
    return absl::InvalidArgumentError(
        absl::StrCat("--front-user ", name, ": there is no such user"));
  }
  return absl::OkStatus();
}

absl::Status ValidateCeiling(const Raw& raw, Ceiling& ceiling) {
  if (raw.kill_scope == "any") {
    ceiling.kill = KillScope::kAny;
  } else if (raw.kill_scope == "started") {
    ceiling.kill = KillScope::kStarted;
  } else {
    ceiling.kill = KillScope::kNone;
  }
  ceiling.max_timeout = absl::Seconds(raw.max_timeout_seconds);
  return CheckCeiling(ceiling);
}

absl::Status Validate(const Raw& raw, Options& options) {
  ASSIGN_OR_RETURN(options.listen, ParseHostPort(raw.listen, kPort));
  if (!raw.health_listen.empty()) {
    ASSIGN_OR_RETURN(options.health_listen,
                     ParseHostPort(raw.health_listen, kPort + 1));
    if (!IsLoopback(options.health_listen)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--health-listen ", raw.health_listen,
          " is not a loopback address; that listener asks for no certificate"));
    }
  }
  if (raw.handshake_timeout_seconds <= 0 ||
      raw.handshake_timeout_seconds > 3600) {
    return absl::InvalidArgumentError(
        "--handshake-timeout must be above 0 and at most 3600");
  }
  options.handshake_timeout = absl::Seconds(raw.handshake_timeout_seconds);
  options.reload_interval = absl::Seconds(raw.reload_interval_seconds);
  options.probe_timeout = absl::Seconds(raw.probe_timeout_seconds);
  const struct {
    absl::string_view flag, variable;
    const std::string& value;
  } needed[] = {{"--ca", "SPECULA_CA", options.tls.ca},
                {"--cert", "SPECULA_CERT", options.tls.certificate},
                {"--key", "SPECULA_KEY", options.tls.key}};
  for (const auto& [flag, variable, value] : needed) {
    if (!value.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " is missing: the agent serves with mutual TLS ",
                     "only. Give it as a flag, as ", variable, ", or in ",
                     raw.config, "; 'specula pki' makes the files"));
  }
  while (absl::EndsWith(options.proc_root, "/")) options.proc_root.pop_back();
  if (options.audit_log.empty()) {
    options.audit_log =
        absl::StrCat(options.state_directory, "/audit/audit.jsonl");
  }
  return ValidateCeiling(raw, options.ceiling);
}

void Declare(CLI::App& app, Raw& raw, Options& options) {
  app.set_version_flag("--version", kVersion);
  app.option_defaults()->take_last();
  app.add_option("--config", raw.config,
                 "Configuration file (TOML); its keys are these options' names")
      ->envname("SPECULA_AGENT_CONFIG")
      ->capture_default_str();
  app.add_flag("--check-config", options.check_config,
               "Check options and files, say what is wrong, and leave");
  app.add_option("--listen", raw.listen,
                 "Where to serve: ADDRESS:PORT, port 0 takes a free one")
      ->envname("SPECULA_LISTEN")
      ->capture_default_str();
  app.add_option("--health-listen", raw.health_listen,
                 "Serve grpc.health.v1 and nothing else, without TLS, at this "
                 "loopback ADDRESS:PORT")
      ->envname("SPECULA_HEALTH_LISTEN");
  app.add_option(
         "--ca", options.tls.ca,
         "Certificates of the authorities whose clients are let in (PEM)")
      ->envname("SPECULA_CA");
  app.add_option("--cert", options.tls.certificate,
                 "This agent's certificate, then its intermediates (PEM)")
      ->envname("SPECULA_CERT");
  app.add_option("--key", options.tls.key,
                 "The certificate's key (PEM, not accessible to others)")
      ->envname("SPECULA_KEY");
  app.add_option("--denylist", options.tls.denylist,
                 "Serials of revoked certificates, one a line; read again when "
                 "it changes")
      ->envname("SPECULA_DENYLIST");
  app.add_option("--max-connections", options.limits.all, "Connections in all")
      ->envname("SPECULA_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--max-connections-per-source", options.limits.per_source,
                 "Connections from one address")
      ->envname("SPECULA_MAX_CONNECTIONS_PER_SOURCE")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--handshake-timeout", raw.handshake_timeout_seconds,
                 "Seconds from accept to the end of the TLS handshake")
      ->envname("SPECULA_HANDSHAKE_TIMEOUT")
      ->capture_default_str();
  app.add_option("--reload-interval", raw.reload_interval_seconds,
                 "Seconds between looks at the TLS files and the denylist")
      ->envname("SPECULA_RELOAD_INTERVAL")
      ->check(CLI::Range(0.01, 60.0))
      ->capture_default_str();
  app.add_option(
         "--front-user", raw.front_user,
         "As whom the part that serves the network runs, when started as root")
      ->envname("SPECULA_FRONT_USER")
      ->capture_default_str();
  app.add_option("--state-dir", options.state_directory,
                 "Where logs of started programs and the audit log lie")
      ->envname("SPECULA_STATE_DIR")
      ->capture_default_str();
  app.add_option("--audit-log", options.audit_log,
                 "The audit log; usually STATE-DIR/audit/audit.jsonl")
      ->envname("SPECULA_AUDIT_LOG");
  app.add_option("--proc-root", options.proc_root,
                 "Directory below which the host's /proc, /sys and /etc are, "
                 "in a container")
      ->envname("SPECULA_PROC_ROOT");
  app.add_option("--hostname", options.hostname,
                 "What this host is called in answers, where the kernel knows "
                 "only the container's name")
      ->envname("SPECULA_HOSTNAME");
  app.add_option("--host-namespaces", options.host_namespaces,
                 "Run commands, follow files and signal processes in these "
                 "namespaces, as /proc/1/ns: on the host, from a container "
                 "that shares its PIDs")
      ->envname("SPECULA_HOST_NAMESPACES");
}

// What can be done instead of serving.
void DeclareProbe(CLI::App& app, Raw& raw) {
  CLI::App* probe = app.add_subcommand(
      "probe",
      "Ask the agent that runs here, on its port and with its certificate, "
      "whether it serves: one line, exit code 0 or 1");
  // The agent's own options may stand after the word.
  probe->fallthrough();
  probe->footer("Example: specula-agent probe --timeout 2");
  probe->add_option("--timeout", raw.probe_timeout_seconds, "Seconds in all")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
}

// What the host allows, whoever asks.
void DeclareCeiling(CLI::App& app, Raw& raw, Ceiling& ceiling) {
  app.add_option("--commands", ceiling.commands, "Allow Exec and Start at all")
      ->envname("SPECULA_COMMANDS")
      ->capture_default_str();
  app.add_option("--users", ceiling.users,
                 "As whom commands may run; nobody named: anybody")
      ->envname("SPECULA_USERS")
      ->take_all();
  app.add_option("--default-user", ceiling.default_user,
                 "As whom they run where nobody is asked for")
      ->envname("SPECULA_DEFAULT_USER");
  app.add_option("--programs", ceiling.programs,
                 "Absolute paths of the only programs that may run; none: any")
      ->envname("SPECULA_PROGRAMS")
      ->take_all();
  app.add_option("--tail", ceiling.tail, "Allow Tail at all")
      ->envname("SPECULA_TAIL")
      ->capture_default_str();
  app.add_option("--tail-roots", ceiling.tail_roots,
                 "Directories below which Tail may read; none: any")
      ->envname("SPECULA_TAIL_ROOTS")
      ->take_all();
  app.add_option(
         "--kill-scope", raw.kill_scope,
         "What Kill may reach: any process, those started here, or none")
      ->envname("SPECULA_KILL_SCOPE")
      ->check(CLI::IsMember({"any", "started", "none"}))
      ->capture_default_str();
  app.add_option("--max-execs", ceiling.max_execs, "Execs that run, in all")
      ->envname("SPECULA_MAX_EXECS")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--max-execs-per-caller", ceiling.max_execs_per_caller,
                 "Execs that run, of one caller")
      ->envname("SPECULA_MAX_EXECS_PER_CALLER")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--max-started", ceiling.max_started,
                 "Started programs that run, or have left something running")
      ->envname("SPECULA_MAX_STARTED")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--max-timeout", raw.max_timeout_seconds,
                 "Seconds that an Exec may take at most; 0: no limit")
      ->envname("SPECULA_MAX_TIMEOUT")
      ->check(CLI::Range(0.0, 1e8))
      ->capture_default_str();
  app.add_option("--max-output-bytes", ceiling.max_output_bytes,
                 "Output of an Exec at most; 0: no limit")
      ->envname("SPECULA_MAX_OUTPUT_BYTES")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Raw raw;
  Options options;
  CLI::App app(
      "The agent of Specula: answers over gRPC with mutual TLS how busy this "
      "host is.",
      "specula-agent");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      "Exit code: 0 told to end, 1 cannot start or go on, 2 wrong usage.\n\n"
      "Examples: specula-agent --ca ca.crt --cert vm1.crt --key vm1.key\n"
      "          specula-agent --check-config");
  // The page is the same whoever makes it.
  options.state_directory = argc > 1 && strcmp(argv[1], kManWord) == 0
                                ? kStateDirectory
                                : DefaultStateDirectory();
  Declare(app, raw, options);
  DeclareCeiling(app, raw, options.ceiling);
  DeclareProbe(app, raw);
  if (const auto page = PrintManPageIfAsked(argc, argv, app, AgentManText())) {
    return *page == Written::kAll ? 0 : 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::optional<Written> help = PrintParseEnd(app, error);
    if (!help.has_value()) return 2;
    return *help == Written::kAll ? 0 : 1;
  }
  options.probe = app.got_subcommand("probe");
  const bool named = app.get_option("--config")->count() > 0;
  absl::Status status = ApplyTomlFile(app, raw.config, named);
  if (status.ok()) status = Validate(raw, options);
  if (status.ok()) {
    status = ChooseFrontUser(
        raw.front_user, app.get_option("--front-user")->count() > 0, options);
  }
  if (!status.ok()) {
    PrintErrorText(absl::StrCat("specula-agent: ", status.message(), "\n"));
    return 2;
  }
  return options;
}

}  // namespace specula::agent
