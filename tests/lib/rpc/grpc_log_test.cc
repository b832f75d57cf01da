#include "lib/rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace specula {
namespace {

TEST(GrpcLogTest, WhyGrpcAbortsComesOut) {
  EXPECT_DEATH(
      {
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
        TakeGrpcLog();
        gpr_log(GPR_ERROR, "assertion failed: %s", "two == 3");
        abort();
      },
      "said=\"assertion failed: two == 3\"");
}

}  // namespace
}  // namespace specula
