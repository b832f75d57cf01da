#include "ctl/gather.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kOutput = OutputStream::kOutput;
constexpr auto kError = OutputStream::kError;

CommandEnding Ended(Outcome outcome, int number = 0, std::string reason = "") {
  CommandEnding ending;
  ending.outcome = outcome;
  ending.number = number;
  ending.reason = std::move(reason);
  ending.exit_code = outcome == Outcome::kOk     ? 0
                     : outcome == Outcome::kExit ? number
                                                 : 255;
  return ending;
}

std::vector<std::string> Names(int count) {
  std::vector<std::string> names;
  for (int i = 1; i <= count; ++i) names.push_back(absl::StrCat("vm", i));
  return names;
}

TEST(GatherTest, SameBytesAndOutcomeAreShownOnce) {
  Gather gather(Names(5), {});
  for (size_t host : {0, 2, 4}) gather.Add(host, kOutput, "Debian 12\n");
  gather.Add(1, kOutput, "Debian");  // in two chunks, without a newline
  gather.Add(1, kOutput, " 11");
  gather.Add(4, kError, "");
  for (size_t host : {0, 1, 2}) gather.End(host, Ended(Outcome::kOk));
  gather.End(3, Ended(Outcome::kOk));
  gather.End(4, Ended(Outcome::kExit, 1));
  EXPECT_EQ(gather.ViewFolded(false),
            "---- vm[1,3] (2): ok ----\nDebian 12\n"
            "---- vm2 (1): ok ----\nDebian 11\n"
            "---- vm5 (1): exit 1 ----\nDebian 12\n");
}

TEST(GatherTest, StreamsAreComparedApartAndErrorsAreMarked) {
  Gather gather(Names(3), {});
  // The order between the streams is chance.
  gather.Add(0, kError, "w1\nw2");
  gather.Add(0, kOutput, "out");
  gather.Add(1, kOutput, "out");
  gather.Add(1, kError, "w1\n");
  gather.Add(1, kError, "w2");
  gather.Add(2, kOutput, "outw1\nw2");
  for (size_t host : {0, 1, 2}) gather.End(host, Ended(Outcome::kOk));
  EXPECT_EQ(gather.ViewFolded(false),
            "---- vm[1-2] (2): ok ----\nout\nstderr: w1\nstderr: w2\n"
            "---- vm3 (1): ok ----\noutw1\nw2\n");
}

TEST(GatherTest, AFloodIsCutAndThatIsSaid) {
  Gather gather(Names(3), {.host_bytes = 10, .total_bytes = 1000});
  gather.Add(0, kOutput, "0123456789");
  gather.Add(0, kError, "abc");
  gather.Add(1, kOutput, "0123456");
  gather.Add(1, kOutput, "789");
  gather.Add(1, kError, "abc");
  gather.Add(2, kOutput, "0123456789");
  gather.Add(2, kError, "abd");
  for (size_t host : {0, 1, 2}) gather.End(host, Ended(Outcome::kOk));
  const std::string text = gather.ViewFolded(false);
  // vm3 differs in what is not kept.
  EXPECT_THAT(text, HasSubstr("---- vm[1-2] (2): ok ----\n0123456789\n"
                              "[specula: 3B more of standard error not kept"));
  EXPECT_THAT(text, HasSubstr("---- vm3 (1): ok ----\n0123456789\n"));
}

TEST(GatherTest, TheLimitForAllDoesNotPartTheSame) {
  Gather gather(Names(3), {.host_bytes = 100, .total_bytes = 15});
  for (size_t host : {0, 1, 2}) {
    gather.Add(host, kOutput, "0123456789");
    gather.End(host, Ended(Outcome::kOk));
  }
  EXPECT_EQ(gather.ViewFolded(false),
            "---- vm[1-3] (3): ok ----\n0123456789\n");
}

TEST(GatherTest, TenGibibytesCostAMebibyte) {
  Gather gather(Names(1), {});
  const std::string chunk(8 << 20, 'x');
  for (int i = 0; i < 64; ++i) gather.Add(0, kOutput, chunk);
  gather.End(0, Ended(Outcome::kOk));
  const std::string text = gather.ViewFolded(false);
  EXPECT_LT(text.size(), (1U << 20) + 200);
  EXPECT_THAT(text, HasSubstr("[specula: 511MiB more of standard output"));
}

TEST(GatherTest, ATerminalGetsTextOnly) {
  Gather gather(Names(1), {});
  gather.Add(0, kOutput, "\033[2Jx\n");
  gather.Add(0, kError, "\033]0;t\a");
  gather.End(0, Ended(Outcome::kOk));
  EXPECT_THAT(gather.ViewFolded(true), Not(HasSubstr("\033")));
  EXPECT_THAT(gather.ViewFolded(false), HasSubstr("\033[2Jx\n"));
  EXPECT_THAT(gather.ViewDiff(true), Not(HasSubstr("\033")));
}

TEST(GatherTest, DiffIsAgainstTheMajority) {
  Gather gather(Names(5), {});
  for (size_t host : {1, 2, 3}) gather.Add(host, kOutput, "a\nb\nc\n");
  gather.Add(0, kOutput, "a\nB\nc\n");
  for (size_t host : {0, 1, 2, 3}) gather.End(host, Ended(Outcome::kOk));
  gather.End(4, Ended(Outcome::kUnreachable, 0, "why"));
  EXPECT_EQ(gather.ViewDiff(false),
            "---- vm[2-4] (3): ok ----\na\nb\nc\n"
            "--- vm[2-4] (3): ok\n+++ vm1 (1): ok\n"
            "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
}

TEST(GatherTest, SummaryHasEveryHostOnceByOutcome) {
  Gather gather({"vm1", "vm2", "vm3", "vm4", "vm5", "vm6", "vm7", "vm8"}, {});
  gather.End(0, Ended(Outcome::kOk));
  gather.End(1, Ended(Outcome::kExit, 1));
  gather.End(2, Ended(Outcome::kOk));
  gather.End(3, Ended(Outcome::kSkipped));
  gather.End(4, Ended(Outcome::kSignal, 9));
  gather.End(5, Ended(Outcome::kTimeout));
  gather.End(6, Ended(Outcome::kExit, 127));
  gather.End(7, Ended(Outcome::kUnreachable));
  EXPECT_EQ(gather.ViewSummary(),
            "Success (code=0): vm1, vm3\n"
            "Failed (code=1): vm2\n"
            "Failed (code=127): vm7\n"
            "signal KILL: vm5\n"
            "timeout: vm6\n"
            "unreachable: vm8\n"
            "skipped: vm4\n");
}

TEST(GatherTest, LongListsAreFolded) {
  Gather gather(Names(64), {});
  for (size_t host = 0; host < 64; ++host) {
    gather.End(host, Ended(Outcome::kOk));
  }
  EXPECT_EQ(gather.ViewSummary(), "Success (code=0): vm[1-64]\n");
}

TEST(GatherTest, ReasonsAndNotesAreSaidOnce) {
  Gather gather(Names(4), {});
  gather.End(0, Ended(Outcome::kUnreachable, 0, "no answer"));
  gather.End(1, Ended(Outcome::kOk));
  gather.End(2, Ended(Outcome::kUnreachable, 0, "no answer"));
  CommandEnding noted = Ended(Outcome::kOk);
  noted.notes = {"1 process was left over and was killed"};
  gather.End(3, noted);
  EXPECT_THAT(gather.Remarks(),
              ElementsAre("vm1, vm3: unreachable: no answer",
                          "vm4: 1 process was left over and was killed"));
  EXPECT_THAT(gather.ViewFolded(false), IsEmpty());
}

TEST(GatherTest, WhatCountsAsNoResult) {
  for (const Outcome outcome :
       {Outcome::kUnreachable, Outcome::kRefused, Outcome::kDenied,
        Outcome::kLost, Outcome::kFailed, Outcome::kSkipped,
        Outcome::kTimeout}) {
    EXPECT_TRUE(IsWithoutResult(Ended(outcome))) << OutcomeName(outcome);
    EXPECT_TRUE(IsFailure(Ended(outcome))) << OutcomeName(outcome);
  }
  CommandEnding ended_by_time = Ended(Outcome::kTimeout);
  ended_by_time.exit_code = 124;
  EXPECT_FALSE(IsWithoutResult(ended_by_time));
  EXPECT_TRUE(IsFailure(ended_by_time));
  EXPECT_FALSE(IsWithoutResult(Ended(Outcome::kExit, 255)));
  EXPECT_TRUE(IsFailure(Ended(Outcome::kExit, 255)));
  EXPECT_FALSE(IsFailure(Ended(Outcome::kOk)));
}

}  // namespace
}  // namespace specula::ctl
