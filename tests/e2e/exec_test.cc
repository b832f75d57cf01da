// The hand, whole: the real controller, the real agent, real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;

class ExecCommandE2eTest : public ::testing::Test {
 protected:
  Result Ask(const std::vector<std::string>& command,
             const AgentProcess& agent) {
    return RunProgram(
        ControllerArguments(pki_, "operator", agent.host(), command));
  }
  Result Ask(const std::vector<std::string>& command) {
    return Ask(command, agent_);
  }
  Result Shell(const std::string& line) {
    return Ask({"exec", "--", "sh", "-c", line});
  }

  static bool Runs(const std::string& command) {
    return RunProgram({"pgrep", "-fx", command}).exit_code == 0;
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
};

TEST_F(ExecCommandE2eTest, OutputAndExitCodeAreThoseOfTheProgram) {
  const Result result = Shell("echo out; echo err >&2; exit 7");
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_THAT(result.err, HasSubstr("err\n"));
}

TEST_F(ExecCommandE2eTest, WhatIsLeftOverIsKilledAndTheNextExecIsNot) {
  EXPECT_EQ(Shell("sleep 98741 & exit 7").exit_code, 7);
  EXPECT_FALSE(Runs("sleep 98741"));
  // A control group that was killed must not be the next one's.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Shell("sleep 0.1").exit_code, 0);
}

TEST_F(ExecCommandE2eTest, TimeoutEndsTheTreeWith124) {
  EXPECT_EQ(Ask({"exec", "--timeout", "1s", "--", "sh", "-c",
                 "setsid sleep 98742 & sleep 98742"})
                .exit_code,
            124);
  EXPECT_FALSE(Runs("sleep 98742"));
}

TEST_F(ExecCommandE2eTest, CtrlCEndsTheRemoteTree) {
  Process exec(
      {.arguments = ControllerArguments(
           pki_, "operator", agent_.host(),
           {"exec", "--", "sh", "-c", "setsid sleep 98743 & sleep 98743"})});
  ASSERT_TRUE(Eventually([] { return Runs("sleep 98743"); }));
  exec.Signal(SIGINT);
  EXPECT_EQ(exec.Wait(), 130);
  EXPECT_FALSE(Runs("sleep 98743"));
}

TEST_F(ExecCommandE2eTest, KilledControllerLeavesNothingBehind) {
  Process exec(
      {.arguments = ControllerArguments(pki_, "operator", agent_.host(),
                                        {"exec", "--", "sleep", "98744"})});
  ASSERT_TRUE(Eventually([] { return Runs("sleep 98744"); }));
  exec.Signal(SIGKILL);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 98744"); }));
}

TEST_F(ExecCommandE2eTest, StartOutlivesTheFrontAndExecDoesNot) {
  const AgentProcess agent(pki_,
                           {.arguments = {"--state-dir", pki_.File("state2")}});
  EXPECT_EQ(Ask({"start", "--", "sleep", "98745"}, agent).exit_code, 0);
  Process exec(
      {.arguments = ControllerArguments(pki_, "operator", agent.host(),
                                        {"exec", "--", "sleep", "98746"})});
  ASSERT_TRUE(
      Eventually([] { return Runs("sleep 98745") && Runs("sleep 98746"); }));
  kill(agent.front_pid(), SIGKILL);
  EXPECT_EQ(exec.Wait(), 255);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 98746"); }));
  EXPECT_TRUE(Runs("sleep 98745"));
  const std::string pid(absl::StripAsciiWhitespace(
      RunProgram({"pgrep", "-fx", "sleep 98745"}).out));
  EXPECT_EQ(RunProgram({"kill", pid}).exit_code, 0);
  // The log of the front that was killed goes on with a gap.
  const std::string log = pki_.File("state2") + "/audit/audit.jsonl";
  Result verdict;
  EXPECT_TRUE(Eventually([&] {
    verdict = RunProgram({Program("specula"), "audit", "verify", log});
    return verdict.out.find("1 gap") != std::string::npos;
  })) << verdict.out
      << verdict.err;
  EXPECT_EQ(verdict.exit_code, 0);
}

TEST_F(ExecCommandE2eTest, CeilingRefusesEvenAnAdmin) {
  const AgentProcess agent(pki_,
                           {.arguments = {"--commands", "false", "--state-dir",
                                          pki_.File("state3")}});
  const Result result = RunProgram(
      ControllerArguments(pki_, "admin", agent.host(), {"exec", "--", "true"}));
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr("denied"));
  EXPECT_THAT(result.err, HasSubstr("ceiling"));
}

}  // namespace
}  // namespace specula::testing
