// A simulated fleet as a program, for the tests of clients in other languages:
//
//   fleet_simulator COUNT
//
// prints the directory of its certificates (as `specula pki` makes it, with the
// caller `operator`), then a host on each line, then an empty line, and serves
// until its standard input ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "absl/strings/numbers.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/fleet_simulator.h"

int main(int argc, char** argv) {
  using specula::testing::FleetSimulator;
  using specula::testing::Health;
  if (absl::Status status = specula::EnforceTlsPolicy(); !status.ok()) {
    fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  int count = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &count) || count < 1) {
    fprintf(stderr, "usage: fleet_simulator COUNT\n");
    return 2;
  }
  testing::InitGoogleTest();  // the harness asserts
  const specula::testing::Pki pki;
  const FleetSimulator fleet(pki, std::vector<Health>(count, Health::kWell));
  printf("%s\n", pki.path().c_str());
  for (const std::string& host : fleet.hosts()) printf("%s\n", host.c_str());
  printf("\n");
  fflush(stdout);
  char ignored;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  return 0;
}
