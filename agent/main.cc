// specula-agent: options -> agent -> wait for a signal -> orderly end.
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/synchronization/mutex.h"
#include "agent/agent.h"
#include "agent/options.h"
#include "lib/base/log.h"
#include "lib/rpc/tls_policy.h"

namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(5);

// What must be in place before the first thread and the first use of gRPC.
absl::Status PrepareProcess(sigset_t& stop_signals) {
  mallopt(M_ARENA_MAX,
          2);  // an arena for each of gRPC's threads would cost megabytes
  // No core dump and no debugger of the same user reads the key.
  prctl(PR_SET_DUMPABLE, 0);
#ifdef NDEBUG
  // Debian's abseil looks for deadlock cycles in every lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  // Blocked in all threads, so that main alone takes them, by sigwait.
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  return specula::EnforceTlsPolicy();
}

int Fail(const absl::Status& status) {
  specula::Log(specula::LogLevel::kError, "cannot start",
               {{"reason", status.message()}});
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto parsed = specula::agent::ParseOptions(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& options = std::get<specula::agent::Options>(parsed);

  sigset_t stop_signals;
  if (absl::Status status = PrepareProcess(stop_signals); !status.ok())
    return Fail(status);
  if (options.check_config) {
    absl::Status status = specula::agent::CheckConfig(options);
    if (!status.ok()) return Fail(status);
    puts("configuration is good");
    return 0;
  }

  auto agent = specula::agent::Agent::Start(options);
  if (!agent.ok()) return Fail(agent.status());
  const specula::HostPort* health = (*agent)->health_address();
  specula::Log(specula::LogLevel::kInfo, "listening",
               {{"address", specula::FormatHostPort((*agent)->address())},
                {"health",
                 health == nullptr ? "none" : specula::FormatHostPort(*health)},
                {"version", SPECULA_VERSION}});

  int signal = 0;
  sigwait(&stop_signals, &signal);
  specula::Log(specula::LogLevel::kInfo, "stopping", {{"signal", signal}});
  (*agent)->Shutdown(kShutdownGrace);
  specula::Log(specula::LogLevel::kInfo, "stopped");
  return 0;
}
