// The faults of the simulated fleet are those that it claims, as a client sees
// them: what is tested with it is worth no more than they are.
#include "tests/e2e/fleet_simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "absl/synchronization/notification.h"
#include "clients/cpp/watch_call.h"

namespace specula::testing {
namespace {

using ::testing::ElementsAre;

// One Watch of the first host, until it has ended or `enough` snapshots came.
struct Watched {
  std::vector<v1::WatchResponse> snapshots;
  absl::Status status;
};

std::shared_ptr<grpc::Channel> Dial(const Pki& pki, const std::string& host) {
  const absl::StatusOr<HostPort> address = ParseHostPort(host, 1);
  return MakeChannel({*address, ""}, pki.Load("viewer"));
}

Watched Watch(const std::shared_ptr<grpc::Channel>& channel, size_t enough,
              absl::Duration interval = absl::Milliseconds(1)) {
  Watched watched;
  absl::Notification over;
  v1::WatchRequest request;
  request.mutable_interval()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(interval)));
  std::shared_ptr<WatchCall> call;
  WatchEvents events;
  events.snapshot = [&](v1::WatchResponse snapshot) {
    if (watched.snapshots.size() == enough) return true;
    watched.snapshots.push_back(std::move(snapshot));
    if (watched.snapshots.size() == enough) call->Cancel();
    return true;
  };
  events.finished = [&](const absl::Status& status) {
    watched.status = status;
    over.Notify();
  };
  call = WatchCall::Create(channel, request, {.answer_within = kHangLimit},
                           std::move(events));
  call->Start();
  over.WaitForNotification();
  return watched;
}

Watched WatchOne(Health health, size_t enough) {
  const Pki pki;
  const FleetSimulator fleet(pki, {health});
  return Watch(Dial(pki, fleet.hosts().front()), enough);
}

std::vector<int64_t> SequencesOf(const Watched& watched) {
  std::vector<int64_t> sequences;
  for (const v1::WatchResponse& snapshot : watched.snapshots) {
    sequences.push_back(snapshot.sequence());
  }
  return sequences;
}

TEST(FleetSimulatorTest, AWellHostGivesSnapshotsUntilItIsLeft) {
  const Watched watched = WatchOne(Health::kWell, 4);
  EXPECT_THAT(SequencesOf(watched), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(absl::IsCancelled(watched.status)) << watched.status;
  EXPECT_EQ(watched.snapshots[0].status().cpu().quality(), v1::QUALITY_FIRST);
  EXPECT_EQ(watched.snapshots[1].status().cpu().quality(), v1::QUALITY_OK);
}

TEST(FleetSimulatorTest, CountersAreReset) {
  const Watched watched = WatchOne(Health::kResetsCounters, 3);
  ASSERT_EQ(watched.snapshots.size(), 3U);
  EXPECT_EQ(watched.snapshots[1].status().cpu().quality(), v1::QUALITY_RESET);
  EXPECT_EQ(watched.snapshots[1].status().host().uptime().seconds(), 0);
  EXPECT_NE(watched.snapshots[1].status().host().boot_id(),
            watched.snapshots[0].status().host().boot_id());
  EXPECT_EQ(watched.snapshots[2].status().cpu().quality(), v1::QUALITY_OK);
}

TEST(FleetSimulatorTest, AFloodDoesNotWaitForTheInterval) {
  EXPECT_EQ(WatchOne(Health::kFloods, 2000).snapshots.size(), 2000U);
}

TEST(FleetSimulatorTest, ALiarEndsAsIfAllWereWell) {
  const Watched watched = WatchOne(Health::kLies, 9);
  EXPECT_THAT(SequencesOf(watched), ElementsAre(1, 2));
  EXPECT_TRUE(watched.status.ok()) << watched.status;
}

TEST(FleetSimulatorTest, WhoFlapsIsGoneOnceAndThenThere) {
  const Pki pki;
  const FleetSimulator fleet(pki, {Health::kFlaps});
  // A channel each, so that gRPC's own retries do not hide the refusal.
  for (const bool there : {true, false, true, false, true}) {
    const Watched watched =
        Watch(Dial(pki, fleet.hosts().front()), 9, absl::Milliseconds(100));
    EXPECT_EQ(!watched.snapshots.empty(), there);
    EXPECT_LE(watched.snapshots.size(), 3U);
    EXPECT_TRUE(absl::IsUnavailable(watched.status)) << watched.status;
  }
}

TEST(FleetSimulatorTest, ATestMayScriptTheSnapshots) {
  const Pki pki;
  const FleetSimulator fleet(
      pki, {Health::kWell, Health::kWell}, [](size_t host, int64_t sequence) {
        v1::WatchResponse snapshot;
        snapshot.set_sequence(sequence * 10 + static_cast<int64_t>(host));
        return snapshot;
      });
  EXPECT_THAT(SequencesOf(Watch(Dial(pki, fleet.hosts()[1]), 2)),
              ElementsAre(11, 21));
}

}  // namespace
}  // namespace specula::testing
