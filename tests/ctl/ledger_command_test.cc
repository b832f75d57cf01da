// runs, show, rerun and diff after real batches on a simulated fleet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/file.h"
#include "tests/e2e/fleet_simulator.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

class LedgerCommandTest : public ::testing::Test {
 protected:
  Result Run(const Words& words) const {
    return RunProgram(
        ControllerArguments(pki_, "operator", fleet_.expression(), words),
        {absl::StrCat("XDG_STATE_HOME=", state_.path())});
  }

  const Pki pki_;
  const TemporaryDirectory state_;
  const FleetSimulator fleet_{
      pki_, {Health::kWell, Health::kLies, Health::kWell, Health::kResets}};
};

TEST_F(LedgerCommandTest, ABatchIsKeptAndShownAsItWas) {
  const Result run = Run({"exec", "--no-live", "--", "prog", "a b"});
  EXPECT_THAT(run.err, HasSubstr("specula: run 1; 'specula show 1'"));
  EXPECT_THAT(run.out, Not(HasSubstr("run 1")));
  const Result shown = Run({"show", "1"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(shown.out, run.out);
  EXPECT_THAT(shown.out, HasSubstr("hello"));
  EXPECT_THAT(shown.err, HasSubstr("prog 'a b'"));
  const Result runs = Run({"runs"});
  EXPECT_THAT(runs.out, HasSubstr("prog 'a b'"));
  const Result json = Run({"--json", "runs"});
  EXPECT_THAT(json.out, HasSubstr("\"run\":1,"));
  EXPECT_THAT(json.out, HasSubstr("\"hosts\":4,\"failed\":2,"));
  const Result results = Run({"--json", "show", "1"});
  EXPECT_THAT(results.out, HasSubstr("\"stream\":\"stdout\",\"text\":\"hello"));
}

TEST_F(LedgerCommandTest, TheJsonFormHasItsNumberAndKeepsOutputToo) {
  const Result run = Run({"--json", "exec", "--", "prog"});
  EXPECT_THAT(run.out, HasSubstr(",\"run\":1,\"outcomes\""));
  EXPECT_THAT(run.err, IsEmpty());
  EXPECT_THAT(Run({"show", "1"}).out, HasSubstr("hello"));
}

TEST_F(LedgerCommandTest, RerunAsksThoseThatAreMeant) {
  Run({"exec", "--", "prog", "-x"});
  const Result failed = Run({"rerun", "1", "--failed", "--fold"});
  EXPECT_THAT(failed.err, HasSubstr("on 1 of the 4 hosts of run 1: prog -x"));
  EXPECT_THAT(failed.out, HasSubstr(absl::StrCat("lost: ", fleet_.hosts()[1])));
  EXPECT_EQ(failed.exit_code, 255);
  const Result both = Run({"rerun", "1", "--failed", "--unreachable"});
  EXPECT_THAT(both.err, HasSubstr("on 2 of the 4 hosts of run 1"));
  EXPECT_THAT(both.err, HasSubstr("run 3;"));
  const Result neither = Run({"rerun", "1"});
  EXPECT_EQ(neither.exit_code, 2);
  EXPECT_THAT(neither.err, HasSubstr("--failed"));
}

TEST_F(LedgerCommandTest, WhatIsNotKeptMustBeGivenAgain) {
  const std::string input = state_.File("input");
  std::ofstream(input) << "bytes";
  Run({"exec", "--stdin", input, "--env", "A=secret", "--", "prog"});
  const Result without = Run({"rerun", "1", "--failed"});
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.err, HasSubstr("standard input (5B"));
  EXPECT_THAT(without.err, HasSubstr("environment (A;"));
  const Result with =
      Run({"rerun", "1", "--failed", "--stdin", input, "--env", "A=1"});
  EXPECT_EQ(with.exit_code, 255);
  EXPECT_THAT(with.err, HasSubstr("on 1 of the 4"));
}

TEST_F(LedgerCommandTest, DiffEndsLikeDiff) {
  Run({"exec", "--", "prog"});
  Run({"exec", "--", "prog"});
  Run({"exec", fleet_.hosts()[0] + "," + fleet_.hosts()[1], "--", "prog"});
  const Result same = Run({"diff", "1", "2"});
  EXPECT_EQ(same.exit_code, 0) << same.out;
  EXPECT_THAT(same.out, IsEmpty());
  const Result other = Run({"diff", "1", "3"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.out, HasSubstr("only in run 1: "));
  const Result lacking = Run({"diff", "1", "9"});
  EXPECT_EQ(lacking.exit_code, 2);
  EXPECT_THAT(lacking.err, HasSubstr("there is no run 9: kept are 1 to 3"));
}

TEST_F(LedgerCommandTest, AnUnwritablePlaceIsSaidOnceAndCostsNothing) {
  const std::string file = state_.File("file");
  std::ofstream(file) << "x";
  const Words words = ControllerArguments(pki_, "operator", fleet_.hosts()[0],
                                          {"exec", "--fold", "--", "prog"});
  const Result run = RunProgram(words, {"XDG_STATE_HOME=" + file});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("hello"));
  EXPECT_THAT(run.err, HasSubstr("this run is not kept: cannot make"));
}

TEST_F(LedgerCommandTest, WhoWantsItForgottenHasItForgotten) {
  const Result run = Run({"exec", "--forget", "--", "prog"});
  EXPECT_THAT(run.err, Not(HasSubstr("run 1")));
  EXPECT_EQ(Run({"--json", "runs"}).out, "");
}

}  // namespace
}  // namespace specula::testing
