// `specula` against whole fleets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/e2e/fleet_simulator.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

Words Ask(const Pki& pki, const FleetSimulator& fleet, const Words& command) {
  return ControllerArguments(pki, "operator", fleet.expression(), command);
}

// How often each outcome word stands in the `ended` events.
size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(FleetTest, FortyIllHostsOfFiftyCostTheirDeadlineAndNobodyElsesResult) {
  const Pki pki;
  std::vector<Health> healths;
  for (int i = 0; i < 10; ++i) {
    for (const Health health :
         {Health::kWell, Health::kHangsInConnect, Health::kHangsInTls,
          Health::kHangsAfterHeaders, Health::kDiesInMidStream}) {
      healths.push_back(health);
    }
  }
  const FleetSimulator fleet(pki, healths);
  // Without a deadline that is kept it would hang, which Wait() would tell.
  const Result result = RunProgram(
      Ask(pki, fleet, {"--timeout", "5", "exec", "--json", "--", "prog"}));
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_EQ(Count(result.out, "\"event\":\"ended\""), 50U);
  EXPECT_EQ(Count(result.out, "\"outcome\":\"ok\""), 10U) << result.out;
  EXPECT_EQ(Count(result.out, "\"outcome\":\"unreachable\""), 20U);
  EXPECT_EQ(Count(result.out, "\"outcome\":\"timeout\""), 10U);
  EXPECT_EQ(Count(result.out, "\"outcome\":\"lost\""), 10U);
  EXPECT_THAT(result.out, HasSubstr("\"hosts\":50,\"failed\":40"));
}

TEST(FleetTest, TheSummaryNamesEachHostOnce) {
  const Pki pki;
  const FleetSimulator fleet(
      pki, {Health::kWell, Health::kResets, Health::kLies, Health::kWell,
            Health::kHangsInTls, Health::kDiesInMidStream});
  const Result result =
      RunProgram(Ask(pki, fleet, {"--timeout", "3", "exec", "--", "prog"}));
  EXPECT_EQ(result.exit_code, 255);
  const Words lines = absl::StrSplit(result.out, '\n');
  std::string summary;
  for (const std::string& line : lines) {
    for (const char* word :
         {"Success (code=0): ", "unreachable: ", "refused: ", "lost: "}) {
      if (absl::StartsWith(line, word)) absl::StrAppend(&summary, line, "\n");
    }
  }
  for (const std::string& host : fleet.hosts()) {
    EXPECT_EQ(Count(summary, host), 1U) << host << "\n" << result.out;
  }
  EXPECT_THAT(summary,
              HasSubstr(absl::StrCat("Success (code=0): ", fleet.hosts()[0],
                                     ", ", fleet.hosts()[3], "\n")));
  EXPECT_THAT(summary,
              HasSubstr(absl::StrCat("unreachable: ", fleet.hosts()[4], "\n")));
}

// The numbers are printed, not judged: this machine is shared.
TEST(FleetTest, AThousandAgentsHaveTheirRows) {
  const Pki pki;
  const FleetSimulator fleet(pki, std::vector<Health>(1000, Health::kWell));
  // The whole process, cold.
  for (const Words& command : {Words{"status"}, Words{"exec", "--", "true"}}) {
    const absl::Time begun = absl::Now();
    Words arguments = Ask(pki, fleet, command);
    arguments.insert(arguments.end() - static_cast<int>(command.size()),
                     {"--timeout", "60"});
    const Result result = RunProgram(arguments);
    const absl::Duration elapsed = absl::Now() - begun;
    std::cout << command.front()
              << " of 1000: " << absl::FormatDuration(elapsed) << ", at most "
              << (result.peak_resident_bytes >> 20) << " MiB\n";
    EXPECT_EQ(result.exit_code, 0) << result.err;
    if (command.front() == "status") {
      const Words lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
      ASSERT_EQ(lines.size(), 1001U);
      for (size_t i = 0; i < 1000; ++i) {
        EXPECT_THAT(lines[i + 1], StartsWith(fleet.hosts()[i] + " "));
        EXPECT_THAT(lines[i + 1], HasSubstr("25.0"));
      }
    } else {
      EXPECT_THAT(result.out, HasSubstr("(1000): ok ----\nhello\n"));
    }
  }
}

}  // namespace
}  // namespace specula::testing
