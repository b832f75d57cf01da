#include "agent/options.h"

#include <cstdio>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"
#include "lib/config/settings.h"

namespace specula::agent {
namespace {

constexpr char kConfigPath[] = "/etc/specula/agent.toml";
constexpr uint16_t kPort = 60120;

// What CLI11 fills, as text and plain numbers.
struct Raw {
  std::string listen = "0.0.0.0:60120";
  std::string health_listen;
  double handshake_timeout_seconds = 10;
  double reload_interval_seconds = 1;
  std::string config = kConfigPath;
};

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

absl::Status Validate(const Raw& raw, Options& options) {
  ASSIGN_OR_RETURN(options.listen, ParseHostPort(raw.listen, kPort));
  if (!raw.health_listen.empty()) {
    ASSIGN_OR_RETURN(options.health_listen,
                     ParseHostPort(raw.health_listen, kPort + 1));
    if (!IsLoopback(options.health_listen.host)) {
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
  return absl::OkStatus();
}

void Declare(CLI::App& app, Raw& raw, Options& options) {
  app.set_version_flag("--version", SPECULA_VERSION);
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
  app.add_option("--max-connections", options.limits.connections,
                 "Connections in all")
      ->envname("SPECULA_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--max-connections-per-source",
                 options.limits.connections_per_source,
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
  app.add_option("--proc-root", options.proc_root,
                 "Directory below which the host's /proc, /sys and /etc are, "
                 "in a container")
      ->envname("SPECULA_PROC_ROOT");
}

}  // namespace

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Raw raw;
  Options options;
  CLI::App app(
      "The agent of Specula: answers over gRPC with mutual TLS how busy this "
      "host is.",
      "specula-agent");
  Declare(app, raw, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool named = app.get_option("--config")->count() > 0;
  absl::Status status = ApplyTomlFile(app, raw.config, named);
  if (status.ok()) status = Validate(raw, options);
  if (!status.ok()) {
    fprintf(stderr, "specula-agent: %s\n",
            std::string(status.message()).c_str());
    return 2;
  }
  return options;
}

}  // namespace specula::agent
