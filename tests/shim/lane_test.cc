#include "shim/lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace specula::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LaneTest, AnswersComeInTheOrderOfTheQuestions) {
  std::vector<std::string> out;
  Lane lane([&](std::string answer) { out.push_back(std::move(answer)); });
  const Lane::Ticket a = lane.Take();
  const Lane::Ticket b = lane.Take();
  const Lane::Ticket c = lane.Take();
  EXPECT_EQ(lane.open_count(), 3u);
  lane.Fill(c, "c");
  lane.Fill(b, std::nullopt);
  EXPECT_THAT(out, IsEmpty());
  lane.Fill(a, "a");
  EXPECT_THAT(out, ElementsAre("a", "c"));
  EXPECT_EQ(lane.open_count(), 0u);
}

TEST(LaneTest, TheFirstAnswerCounts) {
  std::vector<std::string> out;
  Lane lane([&](std::string answer) { out.push_back(std::move(answer)); });
  const Lane::Ticket a = lane.Take();
  const Lane::Ticket b = lane.Take();
  lane.Fill(b, "b");
  lane.Fill(b, "again");
  lane.Fill(a, "a");
  lane.Fill(a, "again");
  EXPECT_THAT(out, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace specula::shim
