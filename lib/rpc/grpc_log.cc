#include "lib/rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "lib/base/log.h"

namespace specula {
namespace {

void Write(gpr_log_func_args* args) {
  static LimitedLog* const log = new LimitedLog();
  const absl::string_view said = args->message;
  if (args->severity != GPR_LOG_SEVERITY_ERROR ||
      absl::StartsWith(said, "No match found for server name")) {
    return;
  }
  (*log)(LogLevel::kWarning, "gRPC", {{"said", said}});
}

}  // namespace

void TakeGrpcLog() {
  gpr_set_log_function(&Write);
  // It says what is wrong and aborts at once.
  signal(SIGABRT, [](int) { FlushLog(); });
}

}  // namespace specula
