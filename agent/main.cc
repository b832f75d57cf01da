// specula-agent: options -> broker -> front, each in a process of its own.
#include <grpc/support/log.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/agent.h"
#include "agent/broker/broker.h"
#include "agent/broker/stand_in.h"
#include "agent/broker/users.h"
#include "agent/directories.h"
#include "agent/options.h"
#include "agent/probe/probe.h"
#include "lib/base/format.h"
#include "lib/base/log.h"
#include "lib/base/output.h"
#include "lib/base/secret_file.h"
#include "lib/base/service_manager.h"
#include "lib/base/standard_fds.h"
#include "lib/base/version.h"
#include "lib/rpc/callback_threads.h"
#include "lib/rpc/grpc_log.h"
#include "lib/rpc/tls_policy.h"

namespace {

using specula::FormatHostPort;
using specula::Log;
using specula::LogLevel;
using specula::PrintText;
using specula::Written;
using specula::agent::Options;

// More than the grace of a process tree, so that an Exec tells its end.
constexpr absl::Duration kShutdownGrace = absl::Seconds(8);

int Fail(const absl::Status& status) {
  Log(LogLevel::kError, "cannot start", {{"reason", status.message()}});
  return 1;
}

// What must be in place before the front's first thread and first use of gRPC.
absl::Status PrepareFront(sigset_t& stop_signals) {
  specula::TakeGrpcLog();
  mallopt(M_ARENA_MAX,
          2);  // an arena for each of gRPC's threads costs megabytes
  // No core dump and no debugger of the same user reads the key.
  prctl(PR_SET_DUMPABLE, 0);
#ifndef NDEBUG
  // The broker has switched it off; Debian's abseil looks at every lock that
  // gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kAbort);
#endif
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  sigemptyset(&stop_signals);
  for (int stop : {SIGTERM, SIGINT}) sigaddset(&stop_signals, stop);
  // Blocked in all threads, so that this one alone takes them, by sigwait.
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  return specula::EnforceTlsPolicy();
}

// The front's main, in the child of the broker.
int RunFront(const Options& options, specula::UniqueFd broker) {
  sigset_t stop_signals;
  if (absl::Status status = PrepareFront(stop_signals); !status.ok()) {
    Fail(status);
    return specula::agent::kFrontCannotStart;
  }
  // Whatever may block runs on threads of its own.
  if (!specula::UseOneCallbackThread()) {
    Log(LogLevel::kWarning, "gRPC keeps all of its callback threads");
  }
  auto agent = specula::agent::Agent::Start(
      options, std::move(broker), [](const absl::Status& why) {
        Log(LogLevel::kError, "the broker is gone",
            {{"reason", why.message()}});
        kill(getpid(), SIGTERM);
      });
  if (!agent.ok()) {
    Fail(agent.status());
    return specula::agent::kFrontCannotStart;
  }
  const specula::HostPort* health = (*agent)->health_address();
  Log(LogLevel::kInfo, "listening",
      {{"address", FormatHostPort((*agent)->address())},
       {"health", health == nullptr ? "none" : FormatHostPort(*health)},
       {"pid", getpid()},
       {"version", specula::kVersion}});
  int signal = 0;
  sigwait(&stop_signals, &signal);
  Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
  (*agent)->Shutdown(kShutdownGrace);
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

// The user that the front becomes, who reads the files; none if it stays what
// this process is.
absl::StatusOr<std::optional<specula::FileReader>> ReaderOfFiles(
    const Options& options) {
  if (geteuid() != 0 || options.front_user.empty()) return std::nullopt;
  specula::agent::UserFiles files;
  absl::StatusOr<specula::agent::User> user = files.Find(options.front_user);
  if (!user.ok()) return user.status();
  return specula::FileReader{user->name, user->uid, user->groups};
}

// One line for whoever looks at a health check's output.
int RunProbe(const Options& options) {
  gpr_set_log_function([](gpr_log_func_args*) {});
  absl::Status status = specula::EnforceTlsPolicy();
  auto address = specula::agent::ProbeAddress(options.listen);
  if (status.ok()) status = address.status();
  auto reader = ReaderOfFiles(options);
  if (status.ok()) status = reader.status();
  if (status.ok()) {
    status = specula::agent::Probe({*address, options.tls.ca,
                                    options.tls.certificate, options.tls.key,
                                    *std::move(reader), options.probe_timeout});
  }
  if (status.ok()) {
    PrintText(absl::StrCat("serving on ", FormatHostPort(*address), "\n"));
    return 0;
  }
  specula::PrintErrorText(absl::StrCat(
      "not serving: ", specula::EscapeControls(status.message()), "\n"));
  return 1;
}

void Tell(absl::string_view state) {
  absl::Status told = specula::NotifyServiceManager(state);
  if (told.ok()) return;
  Log(LogLevel::kWarning, "the service manager cannot be told",
      {{"reason", told.message()}});
}

specula::agent::BrokerOptions ToBrokerOptions(const Options& options) {
  specula::agent::BrokerOptions broker;
  broker.front_user = options.front_user;
  broker.host_namespaces = options.host_namespaces;
  if (!options.host_namespaces.empty()) broker.jobs.stand_in = getppid();
  broker.jobs.ceiling = options.ceiling;
  broker.jobs.state_directory = options.state_directory;
  // READY again does no harm and says that a front that died is back.
  broker.on_serving = [] { Tell("READY=1\nSTATUS=serving\nWATCHDOG=1"); };
  broker.on_stopping = [] { Tell("STOPPING=1\nSTATUS=ending"); };
  return broker;
}

int RunBroker(const Options& options) {
  auto broker = specula::agent::Broker::Create(ToBrokerOptions(options));
  if (!broker.ok()) return Fail(broker.status());
  absl::Status ended = (*broker)->Run([&options](specula::UniqueFd channel) {
    return RunFront(options, std::move(channel));
  });
  return ended.ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (!specula::StandardFdsAreSafe()) return 1;
  auto parsed = specula::agent::ParseOptions(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  auto& options = std::get<Options>(parsed);
  if (options.probe) return RunProbe(options);
  if (options.check_config) {
    auto reader = ReaderOfFiles(options);
    absl::Status status = reader.status();
    if (status.ok())
      status = specula::agent::CheckConfig(options, *std::move(reader));
    if (!status.ok()) return Fail(status);
    return PrintText("configuration is good\n") == Written::kAll ? 0 : 1;
  }
  if (geteuid() == 0 && options.front_user.empty()) {
    Log(LogLevel::kWarning,
        "there is no user 'specula', so the part that serves the network runs "
        "as root");
  }
  // Three in the time after which the manager takes the agent for hung, so that
  // one that is late costs nothing.
  if (const auto interval = specula::ServiceWatchdogInterval())
    options.serving_interval = *interval / 3;
  if (absl::Status made = specula::agent::MakeDirectories(options); !made.ok())
    return Fail(made);
  if (options.host_namespaces.empty()) return RunBroker(options);
  return specula::agent::RunBehindStandIn(
      [&options] { return RunBroker(options); });
}
