#include "ctl/fan_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/fake_agent.h"

namespace specula::ctl {
namespace {

using ::specula::testing::FakeAgent;
using ::specula::testing::kHangLimit;
using ::specula::testing::Pki;

class FanOutTest : public ::testing::Test {
 protected:
  FanOutTest() {
    agent_.on_kill = [](const v1::KillRequest& request,
                        v1::KillResponse* response) {
      response->set_signalled_count(static_cast<int32_t>(request.pid()));
      return grpc::Status::OK;
    };
  }

  ClosedFleet Fleet(size_t hosts) const {
    ClosedFleet fleet;
    fleet.credentials = pki_.Load("operator");
    for (size_t i = 0; i < hosts; ++i) {
      Target target;
      target.endpoint = agent_.endpoint();
      fleet.targets.push_back(std::move(target));
    }
    return fleet;
  }

  // Each host gets its place as the answer.
  std::vector<HostResult<v1::KillResponse>> Ask(ClosedFleet& fleet) {
    Interrupt interrupt;
    int64_t next = 0;
    return AskAll<v1::KillResponse>(
        fleet, interrupt,
        [&](AgentClient& client, AgentClient::OnAnswer<v1::KillResponse> done) {
          v1::KillRequest request;
          request.set_pid(next++);
          return client.Kill(request, kHangLimit, std::move(done));
        });
  }

  static size_t OpenOf(const ClosedFleet& fleet) {
    return static_cast<size_t>(std::count_if(
        fleet.targets.begin(), fleet.targets.end(),
        [](const Target& target) { return target.client != nullptr; }));
  }

  const Pki pki_;
  FakeAgent agent_{pki_};
};

TEST_F(FanOutTest, AnswersAreInTheOrderOfTheHostsAndChannelsAreLetGo) {
  constexpr size_t kHosts = kMostKept + 150;
  ClosedFleet fleet = Fleet(kHosts);
  const auto results = Ask(fleet);
  ASSERT_EQ(results.size(), kHosts);
  for (size_t i = 0; i < kHosts; ++i) {
    EXPECT_EQ(results[i].ending.outcome, Outcome::kOk)
        << results[i].ending.reason;
    EXPECT_EQ(results[i].response.signalled_count(), i);
  }
  EXPECT_LT(OpenOf(fleet), kHosts);
}

TEST_F(FanOutTest, FewChannelsStayForWhatComesNext) {
  ClosedFleet fleet = Fleet(3);
  Ask(fleet);
  EXPECT_EQ(OpenOf(fleet), 3);
}

TEST_F(FanOutTest, ChannelsThatWereOpenStayOpen) {
  constexpr size_t kHosts = kMostKept + 20;
  ClosedFleet fleet = Fleet(kHosts);
  for (Target& target : fleet.targets) {
    OpenTarget(target, fleet.credentials);
  }
  EXPECT_EQ(Ask(fleet).size(), kHosts);
  EXPECT_EQ(OpenOf(fleet), kHosts);
}

}  // namespace
}  // namespace specula::ctl
