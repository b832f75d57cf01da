// A simulated fleet as a program, for the tests of clients in other languages:
//
//   fleet_simulator COUNT [HEALTH=COUNT…]
//
// (the first so many hosts well, then those of each health: flaps=3 lies=1)
// prints the directory of its certificates (as `specula pki` makes it, with the
// caller `operator`), then a host on each line, then an empty line, and serves
// until its standard input ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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
  std::vector<Health> hosts;
  bool understood = argc >= 2;
  for (int i = 1; i < argc && understood; ++i) {
    const std::pair<std::string, std::string> words =
        absl::StrSplit(i == 1 ? absl::StrCat("well=", argv[i]) : argv[i], '=');
    const std::optional<Health> health =
        specula::testing::HealthNamed(words.first);
    int count = 0;
    understood = health.has_value() && absl::SimpleAtoi(words.second, &count) &&
                 count >= 0;
    if (understood) hosts.insert(hosts.end(), size_t(count), *health);
  }
  if (!understood || hosts.empty()) {
    fprintf(stderr, "usage: fleet_simulator COUNT [HEALTH=COUNT…]\n");
    return 2;
  }
  testing::InitGoogleTest();  // the harness asserts
  const specula::testing::Pki pki;
  const FleetSimulator fleet(pki, hosts);
  printf("%s\n", pki.path().c_str());
  for (const std::string& host : fleet.hosts()) printf("%s\n", host.c_str());
  printf("\n");
  fflush(stdout);
  char ignored;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  return 0;
}
