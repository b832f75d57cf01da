// specula-agent probe against real agents.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;

class ProbeE2eTest : public ::testing::Test {
 protected:
  // As the agent's container would: with the agent's own files.
  Result Ask(const std::string& listen, const std::string& who = "localhost",
             const std::string& timeout = "20") {
    return RunProgram({Program("specula-agent"), "probe", "--timeout", timeout,
                       "--config=/dev/null", "--listen", listen, "--ca",
                       pki_.File("ca.crt"), "--cert", pki_.File(who + ".crt"),
                       "--key", pki_.File(who + ".key")});
  }

  const Pki pki_;
};

TEST_F(ProbeE2eTest, AnAgentThatServesIsOneLineAndZero) {
  const AgentProcess agent(pki_);
  const Result result = Ask(agent.host());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, absl::StrCat("serving on ", agent.host(), "\n"));
  EXPECT_EQ(result.err, "");
}

TEST_F(ProbeE2eTest, NobodyThereIsOneLineAndOne) {
  std::string nobody;
  {
    const AgentProcess agent(pki_);
    nobody = agent.host();
  }
  const Result result = Ask(nobody);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(absl::StartsWith(result.err, "not serving: ")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
      << result.err;
}

TEST_F(ProbeE2eTest, AnAgentThatHangsIsFoundOutInTime) {
  const AgentProcess agent(pki_);
  kill(agent.front_pid(), SIGSTOP);
  const Result result = Ask(agent.host(), "localhost", "1");
  kill(agent.front_pid(), SIGCONT);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("not serving: "));
}

TEST_F(ProbeE2eTest, AnotherAgentOnThePortIsNotOurs) {
  ASSERT_EQ(RunProgram({Program("specula"), "pki", "agent", pki_.path(),
                        "other", "--san", "127.0.0.1"})
                .exit_code,
            0);
  const AgentProcess agent(pki_);
  const Result result = Ask(agent.host(), "other");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("another answers there"));
  EXPECT_THAT(result.err, HasSubstr("specula/agent/localhost"));
}

TEST_F(ProbeE2eTest, TheAgentsCertificateMayDoNothingElse) {
  const AgentProcess agent(pki_);
  const auto channel = agent.Connect(pki_.Load("localhost"));
  v1::StatusRequest::descriptor();  // links the contract
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "specula.v1.Specula");
  ASSERT_NE(service, nullptr);
  ASSERT_GE(service->method_count(), 10);
  grpc::GenericStub stub(channel);
  for (int i = 0; i < service->method_count(); ++i) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kHangLimit));
    grpc::CompletionQueue queue;
    const grpc::Slice empty;
    auto call =
        stub.PrepareUnaryCall(&context,
                              absl::StrCat("/", service->full_name(), "/",
                                           service->method(i)->name()),
                              grpc::ByteBuffer(&empty, 1), &queue);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
        << service->method(i)->name() << ": " << status.error_message();
  }
}

}  // namespace
}  // namespace specula::testing
