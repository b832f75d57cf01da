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
using ::testing::Not;
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

TEST(KillByNameTest, OnlyWhatAHostGaveIsAMatch) {
  Results<FoundProcesses> results(2);
  AddProcess(results[0].response.list, 10, "nginx", "nginx: worker");
  results[1].ending.outcome = Outcome::kLost;  // no answer to be believed
  AddProcess(results[1].response.list, 20, "nginx", "nginx");
  const std::vector<Match> matches = MatchesOf(results);
  ASSERT_THAT(matches, SizeIs(1));
  EXPECT_EQ(matches.front().pid, 10);
  EXPECT_EQ(matches.front().start_ticks, 100);
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

TEST_F(KillByNameCommandTest, OfAHostWithoutAListNothingIsClaimed) {
  two_.on_processes = [](const v1::ProcessesRequest&, v1::ProcessesResponse*) {
    return grpc::Status(grpc::StatusCode::INTERNAL, "no /proc");
  };
  const auto some = Run({"--name", "nosuch", "--yes"});
  EXPECT_EQ(some.exit_code, 255);
  EXPECT_THAT(some.err, HasSubstr("no process has a name like 'nosuch' on " +
                                  one_.host() + "\n"));
  one_.on_processes = two_.on_processes;
  const auto none = Run({"--name", "nosuch", "--yes"});
  EXPECT_EQ(none.exit_code, 255);
  EXPECT_THAT(none.err, Not(HasSubstr("no process")));
  EXPECT_THAT(none.err, HasSubstr("nothing was signalled"));
}

TEST_F(KillByNameCommandTest, AHostThatHidesProcessesIsSaidSo) {
  two_.on_processes = [](const v1::ProcessesRequest&,
                         v1::ProcessesResponse* response) {
    AddProcess(*response, 10, "sleep", "sleep 1000");
    response->set_others_hidden(true);
    return grpc::Status::OK;
  };
  const auto none = Run({"--name", "nosuch", "--yes"});
  EXPECT_EQ(none.exit_code, 255);
  EXPECT_THAT(none.err, HasSubstr(two_.host() + ": denied: the host hides"));
  const auto part = Run({"--name", "sleep", "--yes"});
  EXPECT_EQ(part.exit_code, 255);
  EXPECT_THAT(part.out, HasSubstr("signalled 2 processes"));
  EXPECT_THAT(part.err, HasSubstr(two_.host() + ": the host hides"));
}

TEST_F(KillByNameCommandTest, PsShowsWhatWouldBeSignalled) {
  auto ps = [this](std::vector<std::string> words) {
    words.insert(words.begin(), "ps");
    return RunProgram(ControllerArguments(
        pki_, "viewer", absl::StrCat(one_.host(), ",", two_.host()), words));
  };
  const auto found = ps({"--name", "^sleep$"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("sleep 1000"));
  EXPECT_THAT(found.out, Not(HasSubstr("other")));
  EXPECT_EQ(ps({"--name", "1000"}).exit_code, 1);
  EXPECT_EQ(ps({"-f", "--name", "1000"}).exit_code, 0);
  EXPECT_EQ(ps({"-f"}).exit_code, 2);
  two_.on_processes = [](const v1::ProcessesRequest&,
                         v1::ProcessesResponse* response) {
    response->set_others_hidden(true);
    response->set_total_count(1);
    return grpc::Status::OK;
  };
  const auto part = ps({"--name", "sleep"});
  EXPECT_EQ(part.exit_code, 255);
  EXPECT_THAT(part.out, HasSubstr("denied: the host hides"));
  const auto plain = ps({});
  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_THAT(plain.out, HasSubstr("(hidepid); it has more than the 1 it"));
}

// As much as the contract allows, where gRPC's own limit is 4 MiB.
TEST_F(KillByNameCommandTest, TheLongestListArrives) {
  one_.on_processes = [](const v1::ProcessesRequest&,
                         v1::ProcessesResponse* response) {
    for (int pid = 2; pid < 10001; ++pid) {
      AddProcess(*response, pid, "java", "java -cp " + std::string(4087, 'x'));
    }
    AddProcess(*response, 10001, "sleep", "sleep 1000");
    return grpc::Status::OK;
  };
  const auto result = Run({"--name", "^sleep$", "--yes", "--timeout", "100"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(one_.kills(), SizeIs(1));
}

TEST_F(KillByNameCommandTest, MistakesAreUsageErrors) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"--name", ".*", "--yes"},
           {one_.host(), "12", "--name", "x", "--yes"},
           {"12", "--full"},
           {"--yes"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words.back();
  }
  EXPECT_THAT(one_.kills(), IsEmpty());
}

}  // namespace
}  // namespace specula::ctl
