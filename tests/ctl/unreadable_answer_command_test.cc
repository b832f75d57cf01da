// What the commands say of an agent whose answers are no messages: never that
// all went well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "specula/v1/specula.pb.h"
#include "tests/e2e/lying_agent.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

class UnreadableAnswerCommandTest : public ::testing::TestWithParam<Words> {
 protected:
  Result Run(const Words& words) const {
    return RunProgram(
        ControllerArguments(pki_, "operator", agent_.host(), words));
  }

  const Pki pki_;
  const LyingAgent agent_{pki_, {.messages = {"\x0a\x40hello"}}};
};

TEST_P(UnreadableAnswerCommandTest, FailsAndSaysWhy) {
  const Result result = Run(GetParam());
  EXPECT_EQ(result.exit_code, 255) << result.out << result.err;
  EXPECT_THAT(result.out + result.err, HasSubstr("the answer of 127.0.0.1:"));
  EXPECT_THAT(result.out + result.err, HasSubstr(" cannot be read: "));
  EXPECT_THAT(result.out, Not(HasSubstr("sent TERM")));
  EXPECT_THAT(result.out, Not(HasSubstr("\"outcome\":\"ok\"")));
}

INSTANTIATE_TEST_SUITE_P(
    All, UnreadableAnswerCommandTest,
    ::testing::Values(Words{"status"}, Words{"status", "--json"}, Words{"cpu"},
                      Words{"mem"}, Words{"disk"}, Words{"ps"},
                      Words{"ps", "--name", "sshd"},
                      Words{"kill", "4242", "--start-ticks", "1"},
                      Words{"kill", "4242", "--start-ticks", "1", "--json"},
                      Words{"kill", "--name", "sshd", "--yes"},
                      Words{"start", "--", "true"}, Words{"exec", "--", "true"},
                      Words{"exec", "--json", "--", "true"},
                      Words{"tail", "/etc/passwd"},
                      Words{"top", "--once", "--interval", "200ms", "--json"}));

}  // namespace
}  // namespace specula::testing
