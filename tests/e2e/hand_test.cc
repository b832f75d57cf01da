// The hand, asked over gRPC: what is promised of outcomes, trees, limits and of
// a front that dies, with the real agent and real processes.
#include "tests/e2e/hand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HandTest : public ::testing::Test {
 protected:
  void Launch(const std::vector<std::string>& arguments = {}) {
    agent_ = std::make_unique<AgentProcess>(
        pki_, AgentOptions{.arguments = arguments});
    stub_ = StubOf("operator");
  }

  std::unique_ptr<v1::Specula::Stub> StubOf(const std::string& who) const {
    return v1::Specula::NewStub(agent_->Connect(pki_.Load(who)));
  }

  // This test's alone.
  std::string Mark() const { return pki_.path(); }

  // Starts it, waits until `count` processes of it live, cancels, and gives the
  // time until none does.
  absl::Duration TimeToEnd(const std::string& line, size_t count) {
    grpc::ClientContext context;
    auto reader = stub_->Exec(&context, Marked(Mark(), Shell(line)));
    EXPECT_TRUE(Eventually([&] {
      return MarkedProcesses(Mark()).size() >= count;
    })) << MarkedProcesses(Mark()).size()
        << " of " << count;
    const absl::Time begin = absl::Now();
    context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return MarkedProcesses(Mark()).empty(); }));
    return absl::Now() - begin;
  }

  const Pki pki_;
  std::unique_ptr<AgentProcess> agent_;
  std::unique_ptr<v1::Specula::Stub> stub_;
};

TEST_F(HandTest, EveryExitCodeIsToldExactly) {
  Launch();
  for (int code = 0; code < 256; ++code) {
    const Execution end = RunExec(*stub_, Shell(absl::StrCat("exit ", code)));
    ASSERT_TRUE(end.status.ok()) << end.status;
    ASSERT_TRUE(end.exited && end.exited->has_code()) << code;
    EXPECT_EQ(end.exited->code(), code);
  }
}

TEST_F(HandTest, EverySignalIsToldExactly) {
  Launch();
  for (int number = 1; number <= SIGRTMAX; ++number) {
    // Those that end nobody, and those that glibc keeps for itself.
    const bool harmless = number == SIGCHLD || number == SIGCONT ||
                          number == SIGURG || number == SIGWINCH ||
                          number == SIGSTOP || number == SIGTSTP ||
                          number == SIGTTIN || number == SIGTTOU;
    if (harmless || (number >= __SIGRTMIN && number < SIGRTMIN)) continue;
    const Execution end = RunExec(
        *stub_, Shell(absl::StrCat("ulimit -c 0; kill -", number, " $$")));
    ASSERT_TRUE(end.status.ok()) << end.status;
    ASSERT_TRUE(end.exited && end.exited->has_signal()) << number;
    EXPECT_EQ(end.exited->signal(), number);
  }
}

TEST_F(HandTest, ProgramSeesThreeDescriptorsDefaultSignalsAndWhatWasAskedFor) {
  Launch();
  const Execution files = RunExec(*stub_, Argv({"/bin/ls", "/proc/self/fd"}));
  // The fourth is ls's own, for the listing.
  EXPECT_EQ(files.out, "0\n1\n2\n3\n");
  const Execution status =
      RunExec(*stub_, Argv({"/bin/grep", "^Sig[BI]", "/proc/self/status"}));
  EXPECT_EQ(status.out,
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  v1::ExecRequest request = Argv({"/usr/bin/env", "-0"});
  auto& environment = *request.mutable_command()->mutable_environment();
  environment["ODD"] = " two\nlines and \\ \"quotes\" ";
  const Execution variables = RunExec(*stub_, request);
  EXPECT_THAT(variables.out,
              HasSubstr(absl::StrCat("ODD= two\nlines and \\ \"quotes\" ",
                                     std::string(1, '\0'))));
  // Nothing of how the agent itself was started.
  EXPECT_THAT(variables.out, Not(HasSubstr("/nonexistent")));
}

TEST_F(HandTest, LeftOverIsKilledAndTheCodeIsTheLeaders) {
  Launch();
  const absl::Time begin = absl::Now();
  const Execution end =
      RunExec(*stub_, Marked(Mark(), Shell("sleep 1000 & exit 7")));
  RecordProperty("milliseconds", static_cast<int>((absl::Now() - begin) /
                                                  absl::Milliseconds(1)));
  ASSERT_TRUE(end.status.ok() && end.exited) << end.status;
  EXPECT_EQ(end.exited->code(), 7);
  EXPECT_EQ(end.exited->killed_count(), 1);
  EXPECT_THAT(MarkedProcesses(Mark()), IsEmpty());
}

TEST_F(HandTest, CancelEndsTheWholeTree) {
  Launch();
  struct Case {
    const char* name;
    const char* line;
    size_t count;
  };
  for (const Case& tree : std::vector<Case>{
           {"setsid", "setsid sleep 1000 & setsid -f sleep 1000; wait", 3},
           {"double fork",
            "(setsid sh -c '(sleep 1000 &) ; exit 0' &) ; sleep 1000", 2},
           {"TERM ignored",
            "trap '' TERM; (trap '' TERM; sleep 1000; sleep 1000) & while :; "
            "do sleep 1; done",
            3},
           {"stopped", "sleep 1000 & kill -STOP $! ; kill -STOP $$", 2},
           {"1,000 children",
            "i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); done; "
            "wait",
            1001}}) {
    SCOPED_TRACE(tree.name);
    const absl::Duration took = TimeToEnd(tree.line, tree.count);
    printf(
        "%-14s gone %s after the cancel\n", tree.name,
        absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1))).c_str());
  }
  EXPECT_TRUE(
      Eventually([&] { return ZombiesOf(agent_->process().pid()) == 0; }));
}

// All at once: who runs waits for a file, so that the number is exact.
struct Crowd {
  int ok = 0;
  int refused = 0;
  int lost = 0;
};

Crowd RunAtOnce(v1::Specula::Stub& stub, int count, const std::string& file) {
  const v1::ExecRequest request = Shell(absl::StrCat(
      "while [ ! -e ", file, " ]; do sleep 0.05; done; echo done"));
  std::atomic<int> answered = 0;
  std::vector<Execution> ends(static_cast<size_t>(count));
  std::vector<std::thread> callers;
  for (Execution& end : ends) {
    callers.emplace_back([&] {
      end = RunExec(stub, request, [&] { ++answered; });
      if (!end.started) ++answered;
    });
  }
  EXPECT_TRUE(Eventually([&] { return answered == count; })) << answered;
  std::ofstream(file) << "go";
  for (std::thread& caller : callers) caller.join();
  Crowd crowd;
  for (const Execution& end : ends) {
    if (end.status.ok() && end.exited && end.exited->has_code() &&
        end.exited->code() == 0 && end.out == "done\n") {
      ++crowd.ok;
    } else if (absl::IsResourceExhausted(end.status) && !end.started) {
      ++crowd.refused;
    } else {
      ++crowd.lost;
      ADD_FAILURE() << end.status;
    }
  }
  return crowd;
}

TEST_F(HandTest, TwoHundredAtALimitOf64) {
  Launch({"--max-execs", "64"});
  const pid_t broker = agent_->process().pid();
  const auto descriptors = [&] {
    return DescriptorsOf(broker) + DescriptorsOf(agent_->front_pid());
  };
  // The first crowd makes what is kept for the next: threads, control groups.
  int before = 0;
  for (const char* round : {"first", "second"}) {
    const Crowd crowd = RunAtOnce(*stub_, 200, pki_.File(round));
    EXPECT_EQ(crowd.ok, 64);
    EXPECT_EQ(crowd.refused, 136);
    EXPECT_EQ(crowd.lost, 0);
    // The front alone is left.
    EXPECT_TRUE(Eventually([&] { return ChildrenOf(broker) == 1; }));
    EXPECT_EQ(ZombiesOf(broker), 0);
    if (before == 0) before = descriptors();
  }
  EXPECT_TRUE(Eventually([&] { return descriptors() <= before; }))
      << before << " before, now " << descriptors();
}

TEST_F(HandTest, OneCallerCannotTakeAllAndIsKnownByTheCertificate) {
  Launch({"--max-execs", "6", "--max-execs-per-caller", "2"});
  std::atomic<int> running = 0;
  std::vector<std::thread> holders;
  for (int i = 0; i < 2; ++i) {
    holders.emplace_back([&] {
      const Execution end = RunExec(*stub_, Marked(Mark(), Shell("sleep 1000")),
                                    [&] { ++running; });
      EXPECT_EQ(end.exited ? end.exited->signal() : 0, SIGKILL);
    });
  }
  EXPECT_TRUE(Eventually([&] { return running == 2; }));
  // On another connection it is the same caller.
  const Execution third = RunExec(*StubOf("operator"), Shell("true"));
  EXPECT_TRUE(absl::IsResourceExhausted(third.status)) << third.status;
  EXPECT_TRUE(RunExec(*StubOf("admin"), Shell("true")).status.ok());
  for (pid_t pid : MarkedProcesses(Mark())) kill(pid, SIGKILL);
  for (std::thread& holder : holders) holder.join();
  EXPECT_TRUE(RunExec(*stub_, Shell("true")).status.ok());
}

TEST_F(HandTest, WhatStartsLeaveBehindCountsUntilItHasEnded) {
  Launch({"--max-started", "2"});
  const pid_t broker = agent_->process().pid();
  const auto start = [&](const std::string& line) {
    v1::StartRequest request;
    *request.mutable_command() = Marked(Mark(), Shell(line)).command();
    v1::StartResponse response;
    grpc::ClientContext context;
    return stub_->Start(&context, request, &response);
  };
  // The first round makes what is kept.
  int before = 0;
  const auto sleeps = [](pid_t pid) {
    std::string name;
    std::ifstream(absl::StrCat("/proc/", pid, "/comm")) >> name;
    return name == "sleep";
  };
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(
          Eventually([&] { return start("setsid sleep 1000 & exit 0").ok(); }));
    }
    const grpc::Status third = start("exit 0");
    EXPECT_EQ(third.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(third.error_message(), HasSubstr("left something running"));
    std::vector<pid_t> left;
    ASSERT_TRUE(Eventually([&] {
      left = MarkedProcesses(Mark());
      return left.size() == 2 && sleeps(left[0]) && sleeps(left[1]);
    }));
    for (pid_t pid : left) kill(pid, SIGKILL);
    EXPECT_TRUE(Eventually([&] { return start("exit 0").ok(); }));
    EXPECT_TRUE(Eventually([&] { return ChildrenOf(broker) == 1; }));
    if (round == 0) before = DescriptorsOf(broker);
  }
  EXPECT_TRUE(Eventually([&] { return DescriptorsOf(broker) <= before; }))
      << before << " before, now " << DescriptorsOf(broker);
}

TEST_F(HandTest, KilledFrontCostsItsExecsAndNothingElse) {
  Launch();
  std::vector<v1::StartResponse> started(5);
  for (v1::StartResponse& response : started) {
    v1::StartRequest request;
    *request.mutable_command() =
        Marked(Mark() + "/start", Shell("sleep 1000 & wait")).command();
    grpc::ClientContext context;
    const grpc::Status status = stub_->Start(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  std::atomic<int> running = 0;
  std::vector<absl::Status> ends(20);
  std::vector<std::thread> callers;
  for (absl::Status& end : ends) {
    callers.emplace_back([&] {
      end =
          RunExec(*stub_, Marked(Mark() + "/exec", Shell("setsid sleep 1000")),
                  [&] { ++running; })
              .status;
    });
  }
  ASSERT_TRUE(Eventually([&] { return running == 20; }));
  std::vector<pid_t> alive;
  ASSERT_TRUE(Eventually([&] {
    alive = MarkedProcesses(Mark() + "/start");
    return alive.size() == 10;
  }));

  kill(agent_->front_pid(), SIGKILL);
  const absl::Time killed = absl::Now();
  ASSERT_TRUE(agent_->AwaitNextFront());
  stub_ = StubOf("operator");
  const absl::Status status = CallCpu(agent_->Connect(pki_.Load("viewer")));
  EXPECT_TRUE(status.ok()) << status << agent_->Log();
  printf("the service answers again after %s\n",
         absl::FormatDuration(absl::Now() - killed).c_str());

  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& end : ends) EXPECT_TRUE(absl::IsUnavailable(end));
  EXPECT_TRUE(
      Eventually([&] { return MarkedProcesses(Mark() + "/exec").empty(); }));
  EXPECT_EQ(MarkedProcesses(Mark() + "/start"), alive);
  for (const v1::StartResponse& job : started) {
    v1::KillRequest request;
    request.set_pid(job.pid());
    request.set_start_ticks(job.start_ticks());
    request.set_tree(true);
    v1::KillResponse response;
    grpc::ClientContext context;
    const grpc::Status told = stub_->Kill(&context, request, &response);
    EXPECT_TRUE(told.ok()) << told.error_message();
    EXPECT_EQ(response.signalled_count(), 2);
  }
  EXPECT_TRUE(
      Eventually([&] { return MarkedProcesses(Mark() + "/start").empty(); }));
  EXPECT_TRUE(
      Eventually([&] { return ZombiesOf(agent_->process().pid()) == 0; }));
  const Result verdict =
      RunProgram({Program("specula"), "audit", "verify",
                  pki_.File("state") + "/audit/audit.jsonl"});
  EXPECT_EQ(verdict.exit_code, 0) << verdict.err;
  EXPECT_THAT(verdict.out, HasSubstr("1 gap"));
}

// Its front can do nothing any more, and ends although an Exec is open whose
// end nobody will ever tell.
TEST_F(HandTest, KilledBrokerTakesTheFrontWithIt) {
  Launch();
  grpc::ClientContext context;
  auto reader = stub_->Exec(&context, Marked(Mark(), Shell("sleep 600")));
  v1::ExecResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_TRUE(Eventually([&] { return !MarkedProcesses(Mark()).empty(); }));
  agent_->process().Signal(SIGKILL);
  while (reader->Read(&message)) {
    EXPECT_FALSE(message.has_exited());
  }
  const absl::Status end = FromGrpc(reader->Finish());
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  EXPECT_TRUE(Eventually([&] { return kill(agent_->front_pid(), 0) != 0; }));
  // Nobody owns it; see docs/hand.md.
  for (pid_t pid : MarkedProcesses(Mark())) kill(pid, SIGKILL);
}

}  // namespace
}  // namespace specula::testing
