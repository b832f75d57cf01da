// A host whose name has two addresses, of which the first is a black hole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/harness.h"
#include "tests/e2e/lan.h"

namespace specula::testing {
namespace {

using Words = std::vector<std::string>;

constexpr char kHole[] = "10.0.0.99";

class SilentAddressTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Lan::WhyNot(); !why.empty())
      GTEST_SKIP() << why;
    lan_ = std::make_unique<Lan>(1);
    ASSERT_TRUE(
        ctl::IssueAgent(pki_.path(), "twin", {Lan::Address(1)}, {}).ok());
    agent_ = std::make_unique<AgentProcess>(
        pki_, AgentOptions{.arguments = {"--listen", Lan::Address(1) + ":60120",
                                         "--cert", pki_.File("twin.crt"),
                                         "--key", pki_.File("twin.key"),
                                         "--state-dir", pki_.File("state")},
                           .before = lan_->On(1)});
    // Its card is known, so that what is sent to it goes somewhere.
    Words neighbor = lan_->On(0);
    for (const char* word : {"ip", "neigh", "add", kHole, "lladdr",
                             "02:00:00:00:00:99", "dev", "switch"}) {
      neighbor.emplace_back(word);
    }
    const Result added =
        RunProgram(neighbor, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
    ASSERT_EQ(added.exit_code, 0) << added.err;
  }

  // Runs `specula` on machine 0, where the names are those of `hosts`.
  Result Run(const std::string& hosts, const Words& command) const {
    std::ofstream(pki_.File("hosts")) << hosts;
    Words words = lan_->On(0);
    for (const char* word : {"unshare", "--mount", "sh", "-c",
                             "mount --bind \"$1\" /etc/hosts; shift; "
                             "exec \"$@\"",
                             "sh"}) {
      words.emplace_back(word);
    }
    words.push_back(pki_.File("hosts"));
    for (const std::string& word :
         ControllerArguments(pki_, "operator", "twin", command)) {
      words.push_back(word);
    }
    return RunProgram(words);
  }

  const Pki pki_;
  std::unique_ptr<Lan> lan_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(SilentAddressTest, TheNextAddressIsTriedBesideIt) {
  // Each for as long as the call waits would be 5 s, which is all it has.
  const std::string twins =
      std::string(kHole) + " twin\n" + Lan::Address(1) + " twin\n";
  const Result ping = Run(twins, {"ping"});
  EXPECT_EQ(ping.exit_code, 0) << ping.out << ping.err;
  const Result exec = Run(twins, {"exec", "twin", "--", "echo", "here"});
  EXPECT_EQ(exec.exit_code, 0) << exec.err;
  EXPECT_EQ(exec.out, "here\n");
}

TEST_F(SilentAddressTest, WhereNoneAnswersNothingIsClaimed) {
  const Result ping = Run(std::string(kHole) + " twin\n10.0.0.98 twin\n",
                          {"ping", "--timeout", "2"});
  EXPECT_EQ(ping.exit_code, 255);
  EXPECT_THAT(ping.out, ::testing::HasSubstr("unreachable"));
}

}  // namespace
}  // namespace specula::testing
