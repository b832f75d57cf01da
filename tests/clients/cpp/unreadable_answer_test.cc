// What is no message is no answer: of unary calls and of streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/call_status.h"
#include "clients/cpp/exec_call.h"
#include "clients/cpp/outcome.h"
#include "clients/cpp/tail_call.h"
#include "clients/cpp/watch_call.h"
#include "tests/e2e/lying_agent.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Field 1 of length 64, of which five bytes are there.
constexpr char kCut[] = "\x0a\x40hello";

// The first half of an answer, and then no field at all.
template <typename Response>
std::string HalfOf(const Response& response) {
  return response.SerializeAsString() + "\x0f";
}

class UnreadableAnswerTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> Connect(const LyingAgent& agent) const {
    return MakeChannel(agent.endpoint(), pki_.Load("operator"));
  }

  // Asks one of the unary methods.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(const LyingAgent& agent,
                               AgentClient::Call (AgentClient::*method)(
                                   const Request&, absl::Duration,
                                   AgentClient::OnAnswer<Response>)) {
    AgentClient client(Connect(agent));
    absl::StatusOr<Response> told;
    absl::Notification done;
    (client.*method)({}, kHangLimit, [&](absl::StatusOr<Response> answer) {
      told = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return told;
  }

  template <typename Request, typename Response>
  void ExpectUnreadable(const LyingAgent& agent,
                        AgentClient::Call (AgentClient::*method)(
                            const Request&, absl::Duration,
                            AgentClient::OnAnswer<Response>)) {
    const absl::Status status = Ask(agent, method).status();
    EXPECT_TRUE(IsUnreadableAnswer(status)) << status;
    const Ending ending = ClassifyEnding(status, agent.endpoint());
    EXPECT_EQ(ending.outcome, Outcome::kFailed);
    EXPECT_THAT(ending.reason, HasSubstr("the answer of 127.0.0.1:"));
    EXPECT_THAT(ending.reason, HasSubstr(" cannot be read: "));
  }

  void ExpectAllUnreadable(const LyingAgent& agent) {
    ExpectUnreadable(agent, &AgentClient::Status);
    ExpectUnreadable(agent, &AgentClient::Cpu);
    ExpectUnreadable(agent, &AgentClient::Mem);
    ExpectUnreadable(agent, &AgentClient::Disk);
    ExpectUnreadable(agent, &AgentClient::Processes);
    ExpectUnreadable(agent, &AgentClient::Start);
    ExpectUnreadable(agent, &AgentClient::Kill);
  }

  const Pki pki_;
};

TEST_F(UnreadableAnswerTest, UnaryAnswerThatIsCutIsNone) {
  ExpectAllUnreadable(LyingAgent(pki_, {.messages = {kCut}}));
}

TEST_F(UnreadableAnswerTest, UnaryAnswerOfWhichHalfCanBeReadIsNone) {
  v1::KillResponse response;
  response.set_signalled_count(3);
  const LyingAgent agent(pki_, {.messages = {HalfOf(response)}});
  ExpectUnreadable(agent, &AgentClient::Kill);
}

TEST_F(UnreadableAnswerTest, UnaryCallThatBringsNoMessageHasNoAnswer) {
  ExpectAllUnreadable(LyingAgent(pki_, {.messages = {}}));
}

TEST_F(UnreadableAnswerTest, EmptyMessageIsAnAnswer) {
  const LyingAgent agent(pki_, {.messages = {""}});
  EXPECT_TRUE(Ask(agent, &AgentClient::Kill).ok());
}

TEST_F(UnreadableAnswerTest, WatchEndsAtAMessageThatCannotBeRead) {
  v1::WatchResponse good;
  good.set_sequence(1);
  // The agent would go on for ever.
  LyingAgent agent(
      pki_, {.messages = {good.SerializeAsString(), kCut}, .ends = false});
  int snapshots = 0;
  absl::Status told;
  absl::Notification done;
  WatchCall::Create(Connect(agent), {}, {.answer_within = kHangLimit},
                    {.snapshot =
                         [&](const v1::WatchResponse&) {
                           ++snapshots;
                           return true;
                         },
                     .finished =
                         [&](const absl::Status& status) {
                           told = status;
                           done.Notify();
                         }})
      ->Start();
  done.WaitForNotification();
  EXPECT_EQ(snapshots, 1);
  EXPECT_TRUE(IsUnreadableAnswer(told)) << told;
  EXPECT_EQ(ClassifyStream(told, true, agent.endpoint()).outcome,
            Outcome::kFailed);
  EXPECT_TRUE(Eventually([&] { return agent.cancelled() == 1; }));
}

TEST_F(UnreadableAnswerTest, TailEndsAtAMessageThatCannotBeRead) {
  LyingAgent agent(pki_, {.messages = {kCut}});
  absl::Status told;
  absl::Notification done;
  TailCall::Create(Connect(agent), {}, {.answer_within = kHangLimit},
                   {.opened = nullptr,
                    .data = [](const std::string&) { ADD_FAILURE(); },
                    .event = [](const v1::TailEvent&) { ADD_FAILURE(); },
                    .finished =
                        [&](const absl::Status& status) {
                          told = status;
                          done.Notify();
                        }})
      ->Start();
  done.WaitForNotification();
  EXPECT_TRUE(IsUnreadableAnswer(told)) << told;
}

TEST_F(UnreadableAnswerTest, ExecThatHasStartedFailsAndIsNotLost) {
  v1::ExecResponse started;
  started.mutable_started()->set_pid(7);
  LyingAgent agent(
      pki_, {.messages = {started.SerializeAsString(), kCut}, .ends = false});
  absl::Status told;
  absl::Notification done;
  ExecCall::Create(Connect(agent), {}, {.answer_within = kHangLimit},
                   {.started = [](const v1::ExecStarted&) {},
                    .output = [](const std::string&) { ADD_FAILURE(); },
                    .error_output = [](const std::string&) { ADD_FAILURE(); },
                    .exited = [](const v1::ExecExited&) { ADD_FAILURE(); },
                    .finished =
                        [&](const absl::Status& status) {
                          told = status;
                          done.Notify();
                        }})
      ->Start();
  done.WaitForNotification();
  EXPECT_TRUE(Eventually([&] { return agent.cancelled() == 1; }));
  const CommandEnding ending =
      ClassifyCommand(nullptr, told, /*started=*/true, agent.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kFailed);
  EXPECT_EQ(ending.exit_code, 255);
  EXPECT_THAT(ending.reason,
              MatchesRegex("the answer of 127.0.0.1:[0-9]+ cannot be read: its "
                           "bytes are no specula.v1.ExecResponse; .*"));
}

}  // namespace
}  // namespace specula::testing
