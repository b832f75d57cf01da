// A thousand streams of all kinds, each cut off at some moment. Short as it is,
// it is meant to be run with sanitizers, in the agent as well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/hand.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kStreams = 1000;
constexpr int kAtOnce = 40;

// Reads what comes until the end, which is another thread's doing, the
// deadline's, or the stream's own.
template <typename Response>
absl::Status ReadUntilCut(
    const std::function<std::unique_ptr<grpc::ClientReader<Response>>(
        grpc::ClientContext*)>& call,
    uint32_t dice) {
  grpc::ClientContext context;
  const absl::Duration moment = absl::Microseconds((dice >> 8) % 150'000);
  const bool by_deadline = (dice & 1) != 0;
  // Far beyond the moment, unless it is the moment.
  context.set_deadline(
      absl::ToChronoTime(absl::Now() + (by_deadline ? moment : kHangLimit)));
  auto reader = call(&context);
  std::thread cutter;
  if (!by_deadline) {
    cutter = std::thread([&] {
      absl::SleepFor(moment);
      context.TryCancel();
    });
  }
  Response response;
  // Some read everything, some stop reading and let it pile up.
  const bool reads = (dice & 2) != 0;
  for (int i = 0; (reads || i < 1) && reader->Read(&response); ++i) {
  }
  if (cutter.joinable()) cutter.join();
  return FromGrpc(reader->Finish());
}

class StreamsTest : public ::testing::Test {
 protected:
  absl::Status OneStream(v1::Specula::Stub& stub, uint32_t dice) {
    switch (dice >> 4 & 7) {
      case 0:
      case 1: {
        v1::WatchRequest request;
        request.mutable_interval()->set_nanos(200'000'000);
        request.set_process_limit(static_cast<int>(dice >> 8 & 15));
        return ReadUntilCut<v1::WatchResponse>(
            [&](auto* context) { return stub.Watch(context, request); }, dice);
      }
      case 2:
      case 3: {
        v1::TailRequest request;
        request.set_path(log_);
        request.set_lines(dice >> 8 & 63);
        request.set_follow(true);
        return ReadUntilCut<v1::TailResponse>(
            [&](auto* context) { return stub.Tail(context, request); }, dice);
      }
      default: {
        static constexpr const char* kLines[] = {
            "true", "sleep 1000", "setsid sleep 1000 & sleep 1000",
            "while :; do echo out; echo err >&2; done"};
        v1::ExecRequest request =
            Marked(pki_.path(), Shell(kLines[dice >> 7 & 3]));
        return ReadUntilCut<v1::ExecResponse>(
            [&](auto* context) { return stub.Exec(context, request); }, dice);
      }
    }
  }

  const Pki pki_;
  const std::string log_ = pki_.File("log");
};

TEST_F(StreamsTest, ThousandCutOffAtRandomLeaveNothingBehind) {
  std::ofstream(log_) << "a first line\n";
  AgentProcess agent(pki_, {.arguments = {"--max-execs", "256",
                                          "--max-execs-per-caller", "256"}});
  const pid_t broker = agent.process().pid();
  const pid_t front = agent.front_pid();
  std::vector<std::unique_ptr<v1::Specula::Stub>> stubs;
  for (int i = 0; i < 4; ++i) {
    auto channel = agent.Connect(pki_.Load("operator"));
    EXPECT_TRUE(CallCpu(channel).ok());
    stubs.push_back(v1::Specula::NewStub(channel));
  }

  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      std::ofstream(log_, i % 50 == 49 ? std::ios::trunc : std::ios::app)
          << "line " << i << "\n";
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  const auto seed =
      static_cast<uint32_t>(::testing::UnitTest::GetInstance()->random_seed());
  printf("seed %u\n", seed);
  std::atomic<int> next = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kAtOnce; ++i) {
    callers.emplace_back([&, i] {
      std::mt19937 random(seed * 1000 + static_cast<uint32_t>(i));
      while (next++ < kStreams) {
        const absl::Status end = OneStream(*stubs[random() % stubs.size()],
                                           static_cast<uint32_t>(random()));
        EXPECT_TRUE(end.ok() || absl::IsCancelled(end) ||
                    absl::IsDeadlineExceeded(end))
            << end;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  done = true;
  writer.join();

  EXPECT_TRUE(Eventually([&] { return MarkedProcesses(pki_.path()).empty(); }));
  EXPECT_TRUE(Eventually([&] { return ChildrenOf(broker) == 1; }));
  EXPECT_EQ(ZombiesOf(broker), 0);
  EXPECT_TRUE(RunExec(*stubs[0], Shell("true")).status.ok());
  EXPECT_EQ(kill(front, 0), 0) << "it is another front";
  // Idle channels look for a goodbye at long intervals only.
  stubs.clear();
  agent.process().Signal(SIGTERM);
  EXPECT_EQ(agent.process().Wait(), 0);
  // What a sanitizer found.
  EXPECT_THAT(agent.Log(), Not(HasSubstr("Sanitizer")));
  EXPECT_THAT(agent.Log(), Not(HasSubstr("runtime error")));
}

}  // namespace
}  // namespace specula::testing
