#include "shim/shim.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/version.h"
#include "lib/rpc/certificate.h"
#include "shim/listener.h"

namespace specula::shim {
namespace {

// For answers of the agent to come and go out; then everything is cut.
constexpr absl::Duration kDrainWithin = absl::Seconds(7);

constexpr rlim_t kOtherDescriptors = 256;

// Raises the soft limit as far as it goes; what is beyond it is shed.
void RaiseDescriptors(int connections) {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlim_t wanted = static_cast<rlim_t>(connections) + kOtherDescriptors;
  if (files.rlim_cur >= wanted) return;
  files.rlim_cur = std::min(wanted, files.rlim_max);
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < wanted) {
    Log(LogLevel::kWarning,
        "fewer connections than configured: too few descriptors",
        {{"rlimit_nofile", files.rlim_cur}});
  }
}

absl::StatusOr<Credentials> LoadShimCredentials(const Options& options) {
  ASSIGN_OR_RETURN(Credentials credentials,
                   LoadCredentials(options.credentials));
  if (credentials.identity.role == Role::kShim) return credentials;
  return absl::FailedPreconditionError(
      absl::StrCat(options.credentials.certificate, ": has the role ",
                   RoleName(credentials.identity.role),
                   ", not shim; make one with: specula pki shim DIR NAME"));
}

// Null: plain.
absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> MakeTls(
    const Options& options) {
  if (!options.tls) return nullptr;
  ASSIGN_OR_RETURN(const std::string chain, ReadFile(options.tls_certificate));
  ASSIGN_OR_RETURN(const std::string key, ReadSecretFile(options.tls_key));
  ASSIGN_OR_RETURN(const Certificate certificate, ParseCertificatePem(chain));
  if (!certificate.server_auth) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.tls_certificate,
                     ": not for servers (extendedKeyUsage lacks serverAuth)"));
  }
  auto context = std::make_unique<boost::asio::ssl::context>(
      boost::asio::ssl::context::tls_server);
  boost::system::error_code error;
  context->use_certificate_chain(boost::asio::buffer(chain), error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.tls_certificate, ": ", error.message()));
  }
  context->use_private_key(boost::asio::buffer(key),
                           boost::asio::ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.tls_key, ": ", error.message(),
                     " (is it the key of ", options.tls_certificate, "?)"));
  }
  // Buffers only while something is on its way.
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

// In the order in which they are made; what is below uses what is above.
struct Shim::Parts {
  Parts(const Options& options, TokenSet who, const Credentials& credentials,
        std::unique_ptr<boost::asio::ssl::context> secured)
      : tokens(std::move(who)),
        tls(std::move(secured)),
        translator(loop, options.agent, credentials, options.answer_within),
        sessions(options.max_connections,
                 // One source never gets all, or it would shut out the others.
                 std::min(options.max_connections_per_source,
                          std::max(1, options.max_connections * 3 / 4))),
        context{loop,       translator,          tokens, penalties, refusals,
                admissions, options.auth_timeout},
        signals(loop, SIGTERM, SIGINT),
        drained(loop) {}

  boost::asio::io_context loop{1};
  const TokenSet tokens;
  const std::unique_ptr<boost::asio::ssl::context> tls;
  Penalties penalties;
  LimitedLog refusals, admissions;
  Translator translator;
  Sessions sessions;
  const Session::Context context;
  std::vector<std::unique_ptr<Listener>> listeners;
  boost::asio::signal_set signals;
  boost::asio::steady_timer drained;
};

Shim::Shim(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Shim::~Shim() = default;

absl::StatusOr<std::unique_ptr<Shim>> Shim::Create(const Options& options,
                                                   TokenSet tokens) {
  ASSIGN_OR_RETURN(const Credentials credentials, LoadShimCredentials(options));
  ASSIGN_OR_RETURN(auto tls, MakeTls(options));
  RaiseDescriptors(options.max_connections);
  auto parts = std::make_unique<Parts>(options, std::move(tokens), credentials,
                                       std::move(tls));
  for (const ListenOptions& listen : options.listen) {
    ASSIGN_OR_RETURN(std::unique_ptr<Listener> listener,
                     Listener::Create(listen, parts->context, parts->sessions,
                                      parts->tls.get()));
    const bool plain = !options.tls;
    const std::string address = FormatHostPort(listener->address());
    if (plain && !IsLoopback(listen.address)) {
      Log(LogLevel::kWarning,
          "the wire is plaintext: whoever is on the way reads tokens, commands "
          "and output; --tls changes that",
          {{"address", address}});
    }
    Log(LogLevel::kInfo, "listening",
        {{"address", address},
         {"wire", plain ? "plaintext" : "tls"},
         {"exec_reply",
          listen.exec_reply == ExecReply::kSummary ? "summary" : "stream"},
         {"agent", FormatHostPort(options.agent.address)},
         {"version", kVersion}});
    parts->listeners.push_back(std::move(listener));
  }
  return std::unique_ptr<Shim>(new Shim(std::move(parts)));
}

void Shim::Run() {
  Parts& parts = *parts_;
  for (auto& listener : parts.listeners) listener->Start();
  parts.signals.async_wait(
      [&parts](const boost::system::error_code& error, int signal) {
        if (error) return;
        Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
        for (auto& listener : parts.listeners) listener->Stop();
        parts.sessions.DrainAll();
        parts.drained.expires_after(absl::ToChronoNanoseconds(kDrainWithin));
        parts.drained.async_wait(
            [&parts](const boost::system::error_code& cancelled) {
              if (!cancelled) parts.sessions.AbortAll();
            });
        parts.sessions.WhenEmpty([&parts] { parts.drained.cancel(); });
      });
  // Until nothing is open and no call is out.
  parts.loop.run();
  Log(LogLevel::kInfo, "stopped");
}

absl::StatusOr<TokenSet> LoadTokens(const Options& options,
                                    const std::string* mon_token) {
  if (!options.token_file.empty()) {
    if (mon_token != nullptr) {
      Log(LogLevel::kWarning, "MON_TOKEN is not used: there is a token file");
    }
    return TokenSet::Load(options.token_file);
  }
  if (mon_token != nullptr) return TokenSet::FromEnvironment(*mon_token);
  return absl::FailedPreconditionError(
      "there is no token: give --token-file, or MON_TOKEN in the environment");
}

absl::Status CheckConfig(const Options& options) {
  RETURN_IF_ERROR(LoadShimCredentials(options).status());
  return MakeTls(options).status();
}

}  // namespace specula::shim
