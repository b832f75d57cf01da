#include "ctl/ui/fleet_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/ui/row_order.h"
#include "tests/ctl/ui/scripted_fleet.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

FleetModel Model(size_t hosts) {
  std::vector<FleetHost> fleet;
  for (size_t i = 0; i < hosts; ++i) {
    fleet.push_back({std::string(1, static_cast<char>('a' + i)), ""});
  }
  return FleetModel(std::move(fleet), absl::Seconds(2));
}

TEST(FleetModelTest, AHostGoesThroughItsStates) {
  FleetModel model = Model(1);
  const absl::Time now = ScriptedNow();
  const HostRow& row = model.rows()[0];
  EXPECT_EQ(model.StateOf(row, now), HostState::kWaiting);
  EXPECT_EQ(FleetModel::AgeOf(row, now), absl::InfiniteDuration());
  model.Apply(Heard(0, now, {}));
  EXPECT_EQ(model.StateOf(row, now + absl::Seconds(5)), HostState::kUp);
  EXPECT_EQ(model.StateOf(row, now + absl::Seconds(6)), HostState::kStale);
  EXPECT_EQ(FleetModel::AgeOf(row, now + absl::Seconds(6)), absl::Seconds(6));
  model.Apply(Gone(0, now + absl::Seconds(7), Outcome::kLost, "gone"));
  EXPECT_EQ(model.StateOf(row, now + absl::Seconds(7)), HostState::kDown);
  model.Apply(Heard(0, now + absl::Seconds(20), {}));
  EXPECT_EQ(model.StateOf(row, now + absl::Seconds(20)), HostState::kUp);
  ASSERT_EQ(model.log().size(), 2u);
  EXPECT_EQ(model.log()[0].text, "DOWN a  lost: gone");
  EXPECT_EQ(model.log()[1].text, "UP a  after 13s");
}

TEST(FleetModelTest, AnOlderSnapshotIsLeftOut) {
  FleetModel model = Model(1);
  model.Apply(Heard(0, ScriptedNow(), {.cpu = 0.5}));
  model.Apply(Heard(0, ScriptedNow() - absl::Seconds(1), {.cpu = 0.9}));
  EXPECT_EQ(model.rows()[0].values.cpu, 0.5);
}

TEST(FleetModelTest, ANewBootIsARestart) {
  FleetModel model = Model(1);
  model.Apply(Heard(0, ScriptedNow(), {.boot_id = "b1"}));
  model.Apply(Heard(0, ScriptedNow(), {.boot_id = "b2"}));
  ASSERT_EQ(model.log().size(), 1u);
  EXPECT_EQ(model.log()[0].text, "RESTARTED a");
}

TEST(FleetModelTest, TheLogIsBounded) {
  FleetModel model = Model(1);
  for (size_t i = 0; i < FleetModel::kMostLog; ++i) {
    model.Apply(Gone(0, ScriptedNow(), Outcome::kLost, ""));
    model.Apply(Heard(0, ScriptedNow(), {}));
  }
  EXPECT_EQ(model.log().size(), FleetModel::kMostLog);
}

TEST(FleetModelTest, OnlyWhoIsUpCountsInTheSums) {
  FleetModel model = Model(3);
  const absl::Time now = ScriptedNow();
  model.Apply(Heard(0, now, {.cpu = 0.2}));
  model.Apply(Heard(1, now, {.cpu = 0.4}));
  model.Apply(Heard(2, now, {.cpu = 0.9}));
  model.Apply(Gone(2, now, Outcome::kLost, ""));
  const FleetModel::Summary summary = model.Summarise(now);
  EXPECT_EQ(summary.up, 2u);
  EXPECT_EQ(summary.down, 1u);
  EXPECT_DOUBLE_EQ(*summary.cpu.mean, 0.3);
  EXPECT_EQ(summary.cpu.host, 1u);
}

// Snapshots of hosts into a model and its order.
class RowOrderTest : public ::testing::Test {
 protected:
  void Hear(size_t host, double cpu) {
    now_ += absl::Seconds(1);
    model_.Apply(Heard(host, now_, {.cpu = cpu}));
    order_.Heard(host, model_, now_);
  }
  std::vector<size_t> Rows() { return order_.Rows(model_, now_); }

  absl::Time now_ = ScriptedNow();
  FleetModel model_ = Model(3);
  RowOrder order_{3};
};

TEST_F(RowOrderTest, WhoWasNeverHeardOfComesLast) {
  Hear(1, 0.1);
  Hear(2, 0.2);
  EXPECT_THAT(Rows(), ElementsAre(2, 1, 0));
  order_.SortBy(ColumnId::kCpu, false, model_, now_);
  EXPECT_THAT(Rows(), ElementsAre(1, 2, 0));
}

TEST_F(RowOrderTest, OneOddSnapshotMovesNothing) {
  for (int i = 0; i < 3; ++i) {
    Hear(0, 0.5);
    Hear(1, 0.4);
    Hear(2, 0.3);
  }
  Hear(2, 0.99);
  EXPECT_THAT(Rows(), ElementsAre(0, 1, 2));
  Hear(2, 0.3);
  EXPECT_THAT(Rows(), ElementsAre(0, 1, 2));
  Hear(2, 0.9);
  Hear(2, 0.9);
  EXPECT_THAT(Rows(), ElementsAre(2, 0, 1));
}

TEST_F(RowOrderTest, WhoGoesDownKeepsThePlace) {
  Hear(0, 0.5);
  Hear(1, 0.4);
  Hear(2, 0.3);
  model_.Apply(Gone(0, now_, Outcome::kLost, ""));
  EXPECT_THAT(Rows(), ElementsAre(0, 1, 2));
}

TEST_F(RowOrderTest, EqualHostsStayAsTheyLie) {
  Hear(2, 0.5);
  Hear(1, 0.5);
  Hear(0, 0.5);
  EXPECT_THAT(Rows(), ElementsAre(0, 1, 2));
}

TEST(NaturalLessTest, CountsDigits) {
  EXPECT_TRUE(NaturalLess("vm2", "vm10"));
  EXPECT_FALSE(NaturalLess("vm10", "vm2"));
  EXPECT_TRUE(NaturalLess("vm02x", "vm2y"));
  EXPECT_FALSE(NaturalLess("vm", "vm"));
  EXPECT_TRUE(NaturalLess("vm", "vm1"));
}

}  // namespace
}  // namespace specula::ctl
