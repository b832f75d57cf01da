// `specula top` over a simulated fleet of which many are ill: the others' rows,
// the keys and the terminal suffer nothing. What that costs is measured by
// tests/bench/top_bench.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/e2e/fleet_simulator.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/timed_rows.h"
#include "tests/e2e/top_terminal.h"

namespace specula::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Against a machine that stands still, and no measure of anything.
constexpr absl::Duration kPatience = absl::Seconds(20);

std::vector<Health> Fleet() {
  std::vector<Health> fleet;
  for (const Health health :
       {Health::kWell, Health::kFlaps, Health::kFloods, Health::kLies,
        Health::kBabbles, Health::kDiesInMidStream, Health::kResets,
        Health::kResetsCounters, Health::kHangsAfterHeaders,
        Health::kHangsInTls}) {
    fleet.insert(fleet.end(), health == Health::kWell ? 12 : 3, health);
  }
  return fleet;
}

class TopFleetTest : public ::testing::Test {
 protected:
  void Start(const std::string& arguments) {
    terminal_.Open(200, 50);
    terminal_.Start("--sort host --interval 500ms " + arguments, "viewer");
    ASSERT_TRUE(terminal_->Shows("39 hosts ")) << terminal_->Screen();
    ASSERT_TRUE(terminal_->Hides("waiting")) << terminal_->Screen();
  }
  std::vector<std::string> Lines() const {
    return absl::StrSplit(terminal_->Screen(), '\n');
  }
  // The row of a host; empty while it is not on the screen.
  std::string RowOf(size_t host) const {
    for (const std::string& line : Lines()) {
      // The last column of the name is followed by a space.
      if (line.find(simulator_.hosts()[host] + " ") == 4) return line;
    }
    return "";
  }
  // Nothing that a host sent has done anything to the terminal.
  void ExpectUnharmed() const {
    const std::vector<std::string> lines = Lines();
    EXPECT_THAT(lines[0], StartsWith("specula top  39 hosts")) << lines[0];
    EXPECT_EQ(lines.size(), 51U);  // the last one is empty
    const std::string told = terminal_->Run(
        {"display-message", "-p", "#{alternate_on} #{pane_title}"});
    EXPECT_THAT(told, StartsWith("1 "));
    EXPECT_THAT(told, Not(HasSubstr("owned")));
    for (const std::string& line : lines) {
      EXPECT_THAT(line, Not(StartsWith("babble")));
    }
  }

  const Pki pki_;
  const std::vector<Health> health_ = Fleet();
  const FleetSimulator simulator_{
      pki_, health_, [this](size_t host, int64_t sequence) {
        return TimedSnapshot(health_[host], host, sequence);
      }};
  TopTerminal terminal_{pki_, simulator_.expression()};
};

TEST_F(TopFleetTest, IllHostsHarmNoOtherRowAndNoKey) {
  // Wide enough that every host has its row: no pane below.
  Start("--timeout 2");
  bool reversed = false;
  size_t rows = 0;
  for (int i = 0; i < 20; ++i) {
    terminal_->Type("I");
    reversed = !reversed;
    ASSERT_TRUE(terminal_->Shows(reversed ? "sort:HOST-" : "sort:HOST+"))
        << terminal_->Screen();
    const std::vector<TimedRow> seen = TimedRows(terminal_->Screen());
    EXPECT_LT(MostBeyondAge(seen, absl::Now()), kPatience);
    rows += seen.size();
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_GT(rows, 20U);
  ExpectUnharmed();
}

TEST_F(TopFleetTest, EachIllnessHasItsLetterAndItsReason) {
  Start("--timeout 2");
  std::map<Health, std::string> reasons = {
      {Health::kFloods, "faster"},
      {Health::kLies, "ended the stream"},
      {Health::kHangsInTls, "unreachable"},
      {Health::kHangsAfterHeaders, "timeout"}};
  for (size_t host = 0; host < health_.size(); host += 3) {
    const Health health = health_[host];
    SCOPED_TRACE(absl::StrCat("health ", static_cast<int>(health)));
    terminal_->Type("/" + simulator_.hosts()[host]);
    terminal_->Press("Enter");
    if (health == Health::kWell || health == Health::kResetsCounters ||
        health == Health::kBabbles) {
      EXPECT_TRUE(Eventually([&] {
        return absl::StartsWith(RowOf(host), ">   ");
      })) << terminal_->Screen();
      EXPECT_THAT(RowOf(host), Not(HasSubstr("!D")));
    } else {
      // Some come again and again; all go again and again.
      EXPECT_TRUE(Eventually([&] {
        const std::string row = RowOf(host);
        return absl::StartsWith(row, "> x ") && row.find("!D") != row.npos;
      })) << terminal_->Screen();
    }
    if (health == Health::kBabbles) {
      // None of its numbers is one: no percent, no rate, no time.
      EXPECT_THAT(RowOf(host), HasSubstr("  -  "));
      EXPECT_THAT(RowOf(host), Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"),
                                         HasSubstr("e+"))));
    }
    terminal_->Press("Enter");  // the host in full
    ASSERT_TRUE(terminal_->Shows("ESC back")) << terminal_->Screen();
    if (const auto reason = reasons.find(health); reason != reasons.end()) {
      EXPECT_TRUE(terminal_->Shows(reason->second)) << terminal_->Screen();
    }
    if (health == Health::kBabbles) {
      EXPECT_TRUE(terminal_->Shows("COMMAND")) << terminal_->Screen();
      absl::SleepFor(absl::Seconds(1));  // its processes come, and do nothing
    }
    ExpectUnharmed();
    terminal_->Press("Escape");
    ASSERT_TRUE(terminal_->Shows("SPC mark"));
    terminal_->Press("Escape");
    ASSERT_TRUE(terminal_->Shows("SPC mark"));
  }
}

}  // namespace
}  // namespace specula::testing
