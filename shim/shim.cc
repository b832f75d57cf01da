#include "shim/shim.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/log.h"
#include "lib/base/slow_calls.h"
#include "lib/base/status_macros.h"
#include "lib/base/version.h"
#include "shim/listener.h"
#include "shim/material.h"

namespace specula::shim {
namespace {

// For answers of the agent to come and go out; then everything is cut.
constexpr absl::Duration kDrainWithin = absl::Seconds(7);

constexpr rlim_t kOtherDescriptors = 256;

// Of all connections together: requests that are not whole, and what is not
// read.
constexpr size_t kMostFrameBytes = 16 << 20;
constexpr size_t kMostOutboxBytes = 64 << 20;

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

}  // namespace

// In the order in which they are made; what is below uses what is above.
struct Shim::Parts {
  Parts(const Options& options, TokenSet who, MaterialFiles looked_at,
        Material material)
      : tokens(std::move(who)),
        files(std::move(looked_at)),
        reload_interval(options.reload_interval),
        tls(std::move(material.tls)),
        translator(loop, options.agent, material.credentials,
                   options.answer_within),
        sessions(options.max_connections,
                 // One source never gets all, or it would shut out the others.
                 std::min(options.max_connections_per_source,
                          std::max(1, options.max_connections * 3 / 4))),
        context{loop,
                translator,
                tokens,
                penalties,
                frames,
                outboxes,
                trimmer,
                refusals,
                admissions,
                evictions,
                options.auth_timeout,
                options.frame_timeout},
        signals(loop, SIGTERM, SIGINT),
        drained(loop),
        reload(loop) {}

  // What a look at the files has found.
  struct Found {
    MaterialFiles files;
    std::optional<absl::StatusOr<Material>> material = {};
    bool in_time = false;
  };

  // Looks at the files again and again until `reload` is cancelled, on a thread
  // that may hang.
  void WatchFiles();
  void Take(Found& found);

  boost::asio::io_context loop{1};
  SlowCalls slow{SlowCalls::Options()};
  const TokenSet tokens;
  MaterialFiles files;
  const absl::Duration reload_interval;
  TlsContext tls;
  Penalties penalties;
  Holdings frames{kMostFrameBytes};
  Holdings outboxes{kMostOutboxBytes};
  LimitedLog refusals, admissions, evictions;
  Trimmer trimmer{loop};
  Translator translator;
  Sessions sessions;
  const Session::Context context;
  std::vector<std::unique_ptr<Listener>> listeners;
  boost::asio::signal_set signals;
  boost::asio::steady_timer drained;
  boost::asio::steady_timer reload;
  bool reload_ended = false;
  bool files_answer = true;
};

void Shim::Parts::WatchFiles() {
  reload.expires_after(absl::ToChronoNanoseconds(reload_interval));
  reload.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    auto found = std::make_shared<Found>(Found{files});
    const auto look = [found]() -> SlowCalls::Apply {
      found->material = found->files.Poll();
      return [found] { found->in_time = true; };
    };
    slow.Run({{0, "tls", look}},
             [this, found](const std::vector<std::string>&) {
               boost::asio::post(loop, [this, found] {
                 if (reload_ended) return;
                 Take(*found);
                 WatchFiles();
               });
             });
  });
}

void Shim::Parts::Take(Found& found) {
  // One that comes too late is forgotten, and what it saw is new next time.
  if (found.in_time != files_answer) {
    files_answer = found.in_time;
    Log(files_answer ? LogLevel::kInfo : LogLevel::kError,
        files_answer ? "TLS files answer again"
                     : "TLS files do not answer; the old stay in use");
  }
  if (!found.in_time) return;
  files = std::move(found.files);
  if (!found.material.has_value()) return;
  absl::StatusOr<Material>& changed = *found.material;
  if (!changed.ok()) {
    Log(LogLevel::kError, "new TLS material is bad; the old stays in use",
        {{"reason", changed.status().message()}});
    return;
  }
  tls = std::move(changed->tls);
  translator.SetCredentials(changed->credentials);
  Log(LogLevel::kInfo, "new TLS material is in use",
      {{"expires", absl::FormatTime(changed->credentials.not_after,
                                    absl::UTCTimeZone())}});
}

Shim::Shim(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Shim::~Shim() = default;

absl::StatusOr<std::unique_ptr<Shim>> Shim::Create(const Options& options,
                                                   TokenSet tokens) {
  MaterialFiles files(options);
  ASSIGN_OR_RETURN(Material material, files.Load());
  RaiseDescriptors(options.max_connections);
  auto parts = std::make_unique<Parts>(options, std::move(tokens),
                                       std::move(files), std::move(material));
  for (const ListenOptions& listen : options.listen) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<Listener> listener,
        Listener::Create(listen, parts->context, parts->sessions, parts->tls));
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
  parts.WatchFiles();
  parts.signals.async_wait(
      [&parts](const boost::system::error_code& error, int signal) {
        if (error) return;
        Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
        for (auto& listener : parts.listeners) listener->Stop();
        parts.reload_ended = true;
        parts.reload.cancel();
        parts.trimmer.Stop();
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
  return MaterialFiles(options).Load().status();
}

}  // namespace specula::shim
