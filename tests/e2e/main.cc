// The tests' own gRPC keeps the same rules as the programs.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>

#include "lib/rpc/tls_policy.h"

int main(int argc, char** argv) {
  if (absl::Status status = specula::EnforceTlsPolicy(); !status.ok()) {
    fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
