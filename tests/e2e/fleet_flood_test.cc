// `specula exec` where one host sends without end, one never ends and the
// others are well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/e2e/fleet_simulator.h"
#include "tests/e2e/on_terminal.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

// A controller that kept what it reads would pass it in a fraction of a second
// of the flood.
constexpr int64_t kMostResidentBytes = int64_t{160} << 20;

class FleetFloodTest : public ::testing::Test {
 protected:
  Words Exec(const Words& options) const {
    // So that the one that never ends is given up soon.
    Words words = {"--timeout", "6", "exec", "--forget"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "prog"});
    return ControllerArguments(pki_, "operator", fleet_.expression(), words);
  }
  const std::string& host(size_t place) const { return fleet_.hosts()[place]; }
  std::string Well() const {
    return absl::StrJoin({host(0), host(3), host(4)}, ", ");
  }

  const Pki pki_;
  const FleetSimulator fleet_{
      pki_,
      {Health::kWell, Health::kFloods, Health::kNeverEnds, Health::kWell,
       Health::kWell}};
};

TEST_F(FleetFloodTest, TheOthersRowsAreRightAndMemoryIsBounded) {
  const Result result = RunProgram(Exec({"--timeout", "3s", "--grace", "0s"}));
  std::cout << "beside a flood: at most " << (result.peak_resident_bytes >> 20)
            << " MiB\n";
  EXPECT_EQ(result.exit_code, 1);
  // The flood is kept in part, and so said.
  EXPECT_LT(result.out.size(), size_t{2} << 20);
  const std::string tail = result.out.substr(
      result.out.size() - std::min<size_t>(result.out.size(), 2000));
  EXPECT_THAT(tail, HasSubstr("more of standard output not kept"));
  EXPECT_THAT(tail,
              HasSubstr(absl::StrCat("Success (code=0): ", Well(), "\n")));
  EXPECT_THAT(
      tail, HasSubstr(absl::StrCat("timeout: ", host(1), ", ", host(2), "\n")));
  EXPECT_THAT(result.out, HasSubstr("(3): ok ----\nhello\n"));
  EXPECT_LT(result.peak_resident_bytes, kMostResidentBytes);
}

TEST_F(FleetFloodTest, ATerminalSeesNoControlByteAndIsToldOfTheCut) {
  const Shown shown = RunOnTerminal(
      Exec({"--timeout", "1s", "--grace", "0s", "--output-limit", "200K"}));
  EXPECT_EQ(WEXITSTATUS(shown.status), 1);
  EXPECT_THAT(shown.text, HasSubstr("\\x1b[2J"));
  for (const char* raw : {"\033[2J", "\033]0", "\033[31mflood", "\a"}) {
    EXPECT_THAT(shown.text, Not(HasSubstr(raw)));
  }
  const std::string tail = shown.text.substr(
      shown.text.size() - std::min<size_t>(shown.text.size(), 2000));
  EXPECT_THAT(tail, HasSubstr(absl::StrCat("truncated: ", host(1), "\r\n")));
  EXPECT_THAT(tail, HasSubstr(absl::StrCat("timeout: ", host(2), "\r\n")));
  EXPECT_THAT(tail,
              HasSubstr(absl::StrCat("Success (code=0): ", Well(), "\r\n")));
}

}  // namespace
}  // namespace specula::testing
