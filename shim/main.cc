// specula-shim: options -> tokens -> one loop.
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <string>
#include <variant>

#include "absl/synchronization/mutex.h"
#include "lib/base/log.h"
#include "lib/base/output.h"
#include "lib/base/standard_fds.h"
#include "lib/rpc/grpc_log.h"
#include "lib/rpc/tls_policy.h"
#include "shim/shim.h"

namespace {

using specula::Log;
using specula::LogLevel;
using specula::PrintText;
using specula::Written;
using specula::shim::Options;

int Fail(const absl::Status& status) {
  Log(LogLevel::kError, "cannot start", {{"reason", status.message()}});
  return 1;
}

// What must be in place before the first thread and first use of gRPC.
absl::Status Prepare() {
  specula::TakeGrpcLog();
  mallopt(M_ARENA_MAX,
          2);  // an arena for each of gRPC's threads costs megabytes
  // No core dump and no debugger of the same user reads a token or the key.
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
#ifdef NDEBUG
  // Debian's abseil looks for deadlock cycles in every lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  signal(SIGPIPE, SIG_IGN);
  return specula::EnforceTlsPolicy();
}

}  // namespace

int main(int argc, char** argv) {
  if (!specula::StandardFdsAreSafe()) return 1;
  std::string mon_token;
  const bool has_token =
      specula::shim::TakeFromEnvironment("MON_TOKEN", mon_token);
  auto parsed = specula::shim::ParseOptions(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& options = std::get<Options>(parsed);
  if (absl::Status status = Prepare(); !status.ok()) return Fail(status);
  auto tokens =
      specula::shim::LoadTokens(options, has_token ? &mon_token : nullptr);
  explicit_bzero(mon_token.data(), mon_token.size());
  if (!tokens.ok()) return Fail(tokens.status());
  if (options.check_config) {
    absl::Status status = specula::shim::CheckConfig(options);
    if (!status.ok()) return Fail(status);
    return PrintText("configuration is good\n") == Written::kAll ? 0 : 1;
  }
  auto shim = specula::shim::Shim::Create(options, *std::move(tokens));
  if (!shim.ok()) return Fail(shim.status());
  (*shim)->Run();
  return 0;
}
