#include "shim/options.h"

#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/status_macros.h"
#include "lib/base/version.h"
#include "lib/config/man_page.h"
#include "lib/config/option_text.h"
#include "lib/config/settings.h"
#include "shim/man_text.h"

namespace specula::shim {
namespace {

constexpr char kConfigPath[] = "/etc/specula/shim.toml";
constexpr uint16_t kPort = 60119;

// What CLI11 fills, as text and plain numbers.
struct Raw {
  std::vector<std::string> listen;
  std::string exec_reply = "stream";
  std::string agent = "127.0.0.1:60120";
  std::string config = kConfigPath;
  double auth_timeout_seconds = 5;
  double frame_timeout_seconds = 60;
  double timeout_seconds = 5;
  double reload_interval_seconds = 1;
};

absl::StatusOr<ExecReply> ParseExecReply(absl::string_view word) {
  if (word == "stream") return ExecReply::kStream;
  if (word == "summary") return ExecReply::kSummary;
  return absl::InvalidArgumentError(
      absl::StrCat("exec-reply is stream or summary, not '", word, "'"));
}

absl::Status Need(const Raw& raw, absl::string_view flag,
                  absl::string_view variable, const std::string& value,
                  absl::string_view why) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " is missing: ", why, ". Give it as a flag, as ",
                   variable, ", or in ", raw.config));
}

absl::Status ValidateFiles(const Raw& raw, const Options& options) {
  constexpr absl::string_view kWhy =
      "the shim shows the agent a certificate of its own; 'specula pki shim' "
      "makes the files";
  RETURN_IF_ERROR(
      Need(raw, "--ca", "SPECULA_CA", options.credentials.ca, kWhy));
  RETURN_IF_ERROR(Need(raw, "--cert", "SPECULA_CERT",
                       options.credentials.certificate, kWhy));
  RETURN_IF_ERROR(
      Need(raw, "--key", "SPECULA_KEY", options.credentials.key, kWhy));
  if (!options.tls) return absl::OkStatus();
  constexpr absl::string_view kTlsWhy =
      "with --tls controllers are shown a certificate";
  RETURN_IF_ERROR(Need(raw, "--tls-cert", "SPECULA_SHIM_TLS_CERT",
                       options.tls_certificate, kTlsWhy));
  return Need(raw, "--tls-key", "SPECULA_SHIM_TLS_KEY", options.tls_key,
              kTlsWhy);
}

absl::Status Validate(const Raw& raw, Options& options) {
  ASSIGN_OR_RETURN(const ExecReply exec_reply, ParseExecReply(raw.exec_reply));
  for (const std::string& text : raw.listen) {
    ASSIGN_OR_RETURN(ListenOptions listen, ParseListen(text, exec_reply));
    options.listen.push_back(std::move(listen));
  }
  if (options.listen.empty()) {
    options.listen.push_back({.exec_reply = exec_reply});
  }
  ASSIGN_OR_RETURN(options.agent.address, ParseHostPort(raw.agent, kAgentPort));
  if (raw.auth_timeout_seconds <= 0 || raw.auth_timeout_seconds > 60) {
    return absl::InvalidArgumentError(
        "--auth-timeout must be above 0 and at most 60");
  }
  if (raw.timeout_seconds <= 0 || raw.timeout_seconds > 3600) {
    return absl::InvalidArgumentError(
        "--timeout must be above 0 and at most 3600");
  }
  if (raw.frame_timeout_seconds <= 0 || raw.frame_timeout_seconds > 3600) {
    return absl::InvalidArgumentError(
        "--frame-timeout must be above 0 and at most 3600");
  }
  options.frame_timeout = absl::Seconds(raw.frame_timeout_seconds);
  options.auth_timeout = absl::Seconds(raw.auth_timeout_seconds);
  options.answer_within = absl::Seconds(raw.timeout_seconds);
  options.reload_interval = absl::Seconds(raw.reload_interval_seconds);
  return ValidateFiles(raw, options);
}

void DeclareServing(CLI::App& app, Raw& raw, Options& options) {
  app.add_option("--listen", raw.listen,
                 "Where to serve: ADDRESS:PORT[,exec-reply=stream|summary]; "
                 "may be given several times, port 0 takes a free one; "
                 "usually 127.0.0.1:60119")
      ->envname("SPECULA_SHIM_LISTEN")
      ->take_all();
  app.add_option("--exec-reply", raw.exec_reply,
                 "How listeners that do not say answer EXEC: stream (OUT, "
                 "OUT_END) or summary (EXEC_END)")
      ->envname("SPECULA_SHIM_EXEC_REPLY")
      ->check(CLI::IsMember({"stream", "summary"}))
      ->capture_default_str();
  app.add_option("--token-file", options.token_file,
                 "Who may come in: on each line viewer:TOKEN, operator:TOKEN "
                 "or just a token, an operator's. Nobody else may read it. "
                 "Without it the token is that in MON_TOKEN")
      ->envname("SPECULA_SHIM_TOKEN_FILE");
  app.add_flag("--tls", options.tls,
               "Speak the protocol inside TLS 1.3; the token is still asked "
               "for, a client certificate is not")
      ->envname("SPECULA_SHIM_TLS");
  app.add_option("--tls-cert", options.tls_certificate,
                 "With --tls: the certificate, then its intermediates (PEM)")
      ->envname("SPECULA_SHIM_TLS_CERT");
  app.add_option("--tls-key", options.tls_key,
                 "With --tls: its key (PEM, not accessible to others)")
      ->envname("SPECULA_SHIM_TLS_KEY");
  app.add_option("--max-connections", options.max_connections,
                 "Connections in all")
      ->envname("SPECULA_SHIM_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--max-connections-per-source",
                 options.max_connections_per_source,
                 "Connections from one address")
      ->envname("SPECULA_SHIM_MAX_CONNECTIONS_PER_SOURCE")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--auth-timeout", raw.auth_timeout_seconds,
                 "Seconds from accept to the right token")
      ->envname("SPECULA_SHIM_AUTH_TIMEOUT")
      ->capture_default_str();
  app.add_option("--frame-timeout", raw.frame_timeout_seconds,
                 "Seconds from the first byte of a request to its last")
      ->envname("SPECULA_SHIM_FRAME_TIMEOUT")
      ->capture_default_str();
}

void DeclareAsking(CLI::App& app, Raw& raw, Options& options) {
  app.add_option("--agent", raw.agent, "The agent that is asked: HOST:PORT")
      ->envname("SPECULA_SHIM_AGENT")
      ->capture_default_str();
  app.add_option("--agent-name", options.agent.certificate_name,
                 "The name its certificate must be for, if not HOST")
      ->envname("SPECULA_SHIM_AGENT_NAME");
  app.add_option("--ca", options.credentials.ca,
                 "Certificates of the authorities of agents (PEM)")
      ->envname("SPECULA_CA");
  app.add_option("--cert", options.credentials.certificate,
                 "The shim's certificate, of role shim, then its "
                 "intermediates (PEM)")
      ->envname("SPECULA_CERT");
  app.add_option("--key", options.credentials.key,
                 "The certificate's key (PEM, not accessible to others)")
      ->envname("SPECULA_KEY");
  app.add_option("--timeout", raw.timeout_seconds,
                 "Seconds that the agent may take for an answer, or to begin "
                 "a stream")
      ->envname("SPECULA_SHIM_TIMEOUT")
      ->capture_default_str();
  app.add_option("--reload-interval", raw.reload_interval_seconds,
                 "Seconds between looks at the TLS files")
      ->envname("SPECULA_SHIM_RELOAD_INTERVAL")
      ->check(CLI::Range(0.01, 60.0))
      ->capture_default_str();
}

}  // namespace

absl::StatusOr<ListenOptions> ParseListen(absl::string_view text,
                                          ExecReply exec_reply) {
  ListenOptions listen;
  listen.exec_reply = exec_reply;
  std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  ASSIGN_OR_RETURN(listen.address, ParseHostPort(parts[0], kPort));
  for (size_t i = 1; i < parts.size(); ++i) {
    if (!absl::ConsumePrefix(&parts[i], "exec-reply=")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--listen takes ADDRESS:PORT[,exec-reply=stream|summary], not '",
          text, "'"));
    }
    ASSIGN_OR_RETURN(listen.exec_reply, ParseExecReply(parts[i]));
  }
  return listen;
}

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Raw raw;
  Options options;
  CLI::App app(
      "The shim of Specula: serves the older framed-TCP text protocol and asks "
      "an agent.",
      "specula-shim");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      "Exit code: 0 told to end, 1 cannot start, 2 wrong usage.\n\n"
      "Example: specula-shim --agent vm1:60120 --token-file tokens --ca ca.crt "
      "--cert shim1.crt --key shim1.key");
  app.set_version_flag("--version", kVersion);
  app.option_defaults()->take_last();
  app.add_option("--config", raw.config,
                 "Configuration file (TOML); its keys are these options' names")
      ->envname("SPECULA_SHIM_CONFIG")
      ->capture_default_str();
  app.add_flag("--check-config", options.check_config,
               "Check options and files, say what is wrong, and leave");
  DeclareServing(app, raw, options);
  DeclareAsking(app, raw, options);
  if (const auto page = PrintManPageIfAsked(argc, argv, app, ShimManText())) {
    return *page == Written::kAll ? 0 : 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::optional<Written> help = PrintParseEnd(app, error);
    if (!help.has_value()) return 2;
    return *help == Written::kAll ? 0 : 1;
  }
  const bool named = app.get_option("--config")->count() > 0;
  absl::Status status = ApplyTomlFile(app, raw.config, named);
  if (status.ok()) status = Validate(raw, options);
  if (!status.ok()) {
    PrintErrorText(absl::StrCat("specula-shim: ", status.message(), "\n"));
    return 2;
  }
  return options;
}

}  // namespace specula::shim
