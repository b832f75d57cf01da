#include "ctl/ui/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ctl/ui/scripted_fleet.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;

// The names that a filter lets through, in the fleet's order.
std::string Through(const std::string& text) {
  const TopState state = ScriptedFleet();
  absl::StatusOr<Filter> filter = Filter::Parse(text, state.labels);
  if (!filter.ok()) return std::string(filter.status().message());
  std::string names;
  for (const HostRow& row : state.model.rows()) {
    if (filter->Matches(row, state.model.StateOf(row, ScriptedNow()),
                        ScriptedNow())) {
      names += names.empty() ? row.host.name : " " + row.host.name;
    }
  }
  return names;
}

TEST(FilterTest, TakesNumbersInTheUnitOfTheTable) {
  EXPECT_EQ(Through("cpu>80"), "api-01");
  EXPECT_EQ(Through("cpu > 60%"), "api-01 db-01");
  EXPECT_EQ(Through("CPU>=94.1"), "api-01");
  EXPECT_EQ(Through("disk=58"), "db-02");
  EXPECT_EQ(Through("rx>8M and rx<9M and cpu>40"), "api-01 db-01 db-02");
  EXPECT_EQ(Through("age>20s and age<1m"), "edge-fra edge-gru");
  EXPECT_EQ(Through("up<1d"), "");
}

TEST(FilterTest, WhatIsDownFulfilsNoComparisonOfNumbers) {
  EXPECT_EQ(Through("edge-gru and cpu>0"), "");
  EXPECT_EQ(Through("edge-gru and cpu<=100"), "");
  EXPECT_EQ(Through("edge-gru and not cpu>0"), "edge-gru");
  EXPECT_EQ(Through("new-1 and age>0"), "");
}

TEST(FilterTest, TakesNamesStatesAlertsAndLabels) {
  EXPECT_EQ(Through("db*"), "db-01 db-02");
  EXPECT_EQ(Through("DB-0?"), "db-01 db-02");
  EXPECT_EQ(Through("state=down"), "edge-gru");
  EXPECT_EQ(Through("state=stale or state=waiting"), "edge-fra new-1");
  EXPECT_EQ(Through("alert=!M"), "db-01");
  EXPECT_EQ(Through("rack=b and db*"), "db-01");
  EXPECT_EQ(Through("rack!=b and \"db-02\""), "db-02");
}

TEST(FilterTest, AndGoesBeforeOr) {
  EXPECT_EQ(Through("mail or db* and cpu>50"), "db-01 mail");
  EXPECT_EQ(Through("(mail or db*) and cpu>50"), "db-01");
  EXPECT_EQ(Through("not (state=up or state=stale)"), "edge-gru new-1");
  EXPECT_EQ(Through("not not mail"), "mail");
}

TEST(FilterTest, SaysWhatIsOddAndWhere) {
  EXPECT_THAT(Through("cpu>80 or cup>3"),
              HasSubstr("at character 11: 'cup' is no column and no label"));
  EXPECT_THAT(Through("cpu>80 or cup>3"), HasSubstr("rack"));
  EXPECT_EQ(Through("cpu>"), "filter, at character 5: a value is missing");
  EXPECT_EQ(Through("cpu>fast"), "filter, at character 5: 'fast' is no number");
  EXPECT_EQ(Through("cpu>nan"), "filter, at character 5: 'nan' is no number");
  EXPECT_EQ(Through("(mail"), "filter, at character 1: a ( without its )");
  EXPECT_EQ(Through("mail)"), "filter, at character 5: a ) without its (");
  EXPECT_THAT(Through("mail db"), HasSubstr("'and' or 'or' is missing here"));
  EXPECT_THAT(Through("mail and"),
              HasSubstr("something is missing at the end"));
  EXPECT_THAT(Through("state>down"), HasSubstr("= and != only"));
  EXPECT_THAT(Through("cpu>\033[2J"), HasSubstr("'\\x1b[2J'"));
  EXPECT_THAT(Through(std::string(500, '(')), HasSubstr("too deeply nested"));
  EXPECT_THAT(Through(std::string(2000, 'a')), HasSubstr("longer than"));
}

TEST(FilterTest, EmptyLetsAllThrough) {
  EXPECT_TRUE(Filter::Parse("  ", {})->empty());
}

TEST(FilterTest, ManyStarsTakeNoTime) {
  EXPECT_FALSE(MatchesGlob("*a*a*a*a*a*a*a*a*a*a*b", std::string(200, 'a')));
  EXPECT_TRUE(MatchesGlob("a*?b*", "axxb"));
  EXPECT_FALSE(MatchesGlob("a?", "a"));
}

}  // namespace
}  // namespace specula::ctl
