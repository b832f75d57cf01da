#include "ctl/kill_by_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/e2e/fake_agent.h"

namespace specula::ctl {
namespace {

using specula::testing::ControllerArguments;
using specula::testing::FakeAgent;
using specula::testing::Pki;
using specula::testing::RunProgram;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void AddProcess(v1::ProcessesResponse& response, int64_t pid,
                const std::string& name, const std::string& command) {
  v1::Process* process = response.add_processes();
  process->set_pid(pid);
  process->set_start_ticks(pid * 10);
  process->set_name(name);
  process->set_command_line(command);
  response.set_total_count(response.processes_size());
}

TEST(KillByNameTest, OnlyWhatHasTheNameIsFound) {
  Results<v1::ProcessesResponse> results(2);
  AddProcess(results[0].response, 1, "nginx", "nginx: init");
  AddProcess(results[0].response, 10, "nginx", "nginx: worker");
  AddProcess(results[0].response, 11, "vim", "vim nginx.conf");
  AddProcess(results[0].response, 12, "nginx", "[nginx]");  // of the kernel
  AddProcess(results[0].response, 13, "specula-agent", "specula-agent");
  results[1].ending.outcome = Outcome::kLost;  // no answer to be believed
  AddProcess(results[1].response, 20, "nginx", "nginx");
  const auto matches = FindMatches(results, "^nginx|agent");
  ASSERT_TRUE(matches.ok());
  ASSERT_THAT(*matches, SizeIs(1));
  EXPECT_EQ(matches->front().pid, 10);
  EXPECT_EQ(matches->front().start_ticks, 100);
}

TEST(KillByNameTest, PatternsThatCannotBeMeantAreRefused) {
  for (const char* pattern : {"(", ".*", "a*", "|x"}) {
    EXPECT_FALSE(FindMatches({}, pattern).ok()) << pattern;
  }
}

TEST(KillByNameTest, ThePreviewIsFoldedByCommand) {
  const std::vector<Match> matches = {{0, 10, 1, "sleep 1"},
                                      {0, 11, 1, "sleep 1"},
                                      {1, 12, 1, "sleep 1"},
                                      {1, 13, 1, "x\033[2J"}};
  EXPECT_EQ(ViewMatches(matches, {"vm1", "vm2"}),
            "3 processes on vm1, vm2: sleep 1\n"
            "1 process on vm2: x\\x1b[2J\n");
}

class KillByNameCommandTest : public ::testing::Test {
 protected:
  KillByNameCommandTest() {
    for (FakeAgent* agent : {&one_, &two_}) {
      agent->on_processes = [](const v1::ProcessesRequest&,
                               v1::ProcessesResponse* response) {
        AddProcess(*response, 10, "sleep", "sleep 1000");
        AddProcess(*response, 11, "other", "other");
        return grpc::Status::OK;
      };
      agent->on_kill = [](const v1::KillRequest&, v1::KillResponse* response) {
        response->set_signalled_count(1);
        return grpc::Status::OK;
      };
    }
  }
  specula::testing::Result Run(std::vector<std::string> words) const {
    words.insert(words.begin(), "kill");
    // No terminal to ask on, wherever the test itself runs.
    std::vector<std::string> command = {"sh", "-c", "\"$@\" </dev/null", "sh"};
    for (std::string& word : ControllerArguments(
             pki_, "operator", absl::StrCat(one_.host(), ",", two_.host()),
             words)) {
      command.push_back(std::move(word));
    }
    return RunProgram(command);
  }
  const Pki pki_;
  FakeAgent one_{pki_};
  FakeAgent two_{pki_};
};

TEST_F(KillByNameCommandTest, EachIsSignalledWithItsStartAsAGuard) {
  const auto result = Run({"--name", "^sleep$", "--yes", "--signal", "HUP"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 processes on "));
  EXPECT_THAT(result.out, HasSubstr("signalled 2 processes\n"));
  for (const FakeAgent* agent : {&one_, &two_}) {
    ASSERT_THAT(agent->kills(), SizeIs(1));
    EXPECT_EQ(agent->kills()[0].pid(), 10);
    EXPECT_EQ(agent->kills()[0].start_ticks(), 100);
    EXPECT_EQ(agent->kills()[0].signal(), 1);
  }
}

TEST_F(KillByNameCommandTest, WithoutAYesNothingIsSignalled) {
  const auto result = Run({"--name", "^sleep$"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--yes"));
  EXPECT_THAT(one_.kills(), IsEmpty());
}

TEST_F(KillByNameCommandTest, NobodyFoundIs1AndAFailureIs255) {
  EXPECT_EQ(Run({"--name", "nosuch", "--yes"}).exit_code, 1);
  EXPECT_THAT(one_.kills(), IsEmpty());
  two_.on_kill = [](const v1::KillRequest&, v1::KillResponse*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not here");
  };
  const auto result = Run({"--name", "sleep", "--yes"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr(two_.host() + ": pid 10: denied: "));
}

TEST_F(KillByNameCommandTest, MistakesAreUsageErrors) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"--name", ".*", "--yes"},
           {one_.host(), "12", "--name", "x", "--yes"},
           {"--yes"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words.back();
  }
  EXPECT_THAT(one_.kills(), IsEmpty());
}

}  // namespace
}  // namespace specula::ctl
