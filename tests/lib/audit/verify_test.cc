#include "lib/audit/verify.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/audit/testing.h"

namespace specula::audit {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kLines = 9;

std::string HashOfLine(absl::string_view line) {
  return Sha256().Of(absl::StripSuffix(line, "\n"));
}

// A line with its newline that claims to follow `before`.
std::string Forge(int64_t seq, absl::string_view prev) {
  return FormatLine({.stage = Stage::kStarted, .argv = {"forged"}}, seq, prev) +
         "\n";
}

TEST(AuditVerifyTest, AnIntactLogIsIntactInPiecesOfAnySize) {
  const std::vector<std::string> lines = MakeLog(kLines);
  for (size_t piece : {1, 7, 64, 1000, 1 << 20}) {
    const Verdict verdict = VerifyTexts({Join(lines)}, piece);
    EXPECT_EQ(Finding(verdict), "intact");
    EXPECT_EQ(verdict.records, kLines);
    EXPECT_EQ(verdict.gaps, 0);
    EXPECT_EQ(verdict.first_seq, 1);
    EXPECT_EQ(verdict.last_seq, kLines);
    EXPECT_EQ(verdict.last_hash, HashOfLine(lines.back()));
  }
}

TEST(AuditVerifyTest, NothingIsIntactButEmpty) {
  EXPECT_EQ(Finding(VerifyTexts({""})), "intact");
  EXPECT_EQ(VerifyTexts({"", ""}).records, 0);
  EXPECT_EQ(VerifyTexts({}).first_seq, 0);
}

TEST(AuditVerifyTest, AChangedByteIsFoundInItsLine) {
  const std::vector<std::string> lines = MakeLog(kLines);
  // Every bit of every byte but the newlines, which part lines.
  for (int victim = 0; victim < kLines - 1; ++victim) {
    for (size_t i = 0; i < lines[victim].size() - 1; ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::vector<std::string> changed = lines;
        changed[victim][i] = static_cast<char>(changed[victim][i] ^ (1 << bit));
        // A newline makes two lines of one.
        EXPECT_THAT(Finding(VerifyTexts({Join(changed)})),
                    StartsWith(absl::StrCat("1:", victim + 1, ": ")))
            << changed[victim];
      }
    }
  }
}

TEST(AuditVerifyTest, AChangedNewlineIsFoundInItsLine) {
  const std::vector<std::string> lines = MakeLog(kLines);
  for (int victim = 0; victim < kLines; ++victim) {
    std::vector<std::string> changed = lines;
    changed[victim].back() = ' ';
    EXPECT_THAT(Finding(VerifyTexts({Join(changed)})),
                StartsWith(absl::StrCat("1:", victim + 1, ": ")));
  }
}

TEST(AuditVerifyTest, WhatTheLastLineTellsOnlyTheHashKeptElsewhereProves) {
  // Documented in record.h: nothing follows that could vouch for it.
  std::vector<std::string> lines = MakeLog(kLines);
  const Verdict before = VerifyTexts({Join(lines)});
  lines.back() = absl::StrReplaceAll(lines.back(), {{"echo", "halt"}});
  const Verdict after = VerifyTexts({Join(lines)});
  EXPECT_EQ(Finding(after), "intact");
  EXPECT_NE(after.last_hash, before.last_hash);
  lines.pop_back();
  EXPECT_EQ(Finding(VerifyTexts({Join(lines)})), "intact");
  EXPECT_EQ(VerifyTexts({Join(lines)}).last_seq, kLines - 1);
}

TEST(AuditVerifyTest, MissingLinesAreFoundBeforeTheLineAfterThem) {
  for (int count : {1, 2, 3}) {
    for (int victim = 1; victim + count < kLines; ++victim) {
      std::vector<std::string> lines = MakeLog(kLines);
      lines.erase(lines.begin() + victim, lines.begin() + victim + count);
      EXPECT_EQ(Finding(VerifyTexts({Join(lines)})),
                absl::StrCat("1:", victim + 1, ": missing: the lines with seq ",
                             victim + 1, " to ", victim + count, " before it"));
    }
  }
}

TEST(AuditVerifyTest, WithoutItsFirstLinesItIsIntactFromASequenceNumberOn) {
  std::vector<std::string> lines = MakeLog(kLines);
  lines.erase(lines.begin(), lines.begin() + 3);
  const Verdict verdict = VerifyTexts({Join(lines)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.first_seq, 4);
  EXPECT_EQ(verdict.records, kLines - 3);
}

TEST(AuditVerifyTest, MovedLinesAreFoundAtTheFirstOfThem) {
  for (int a = 0; a < kLines; ++a) {
    for (int b = a + 1; b < kLines; ++b) {
      std::vector<std::string> lines = MakeLog(kLines);
      std::swap(lines[a], lines[b]);
      // What stands first contradicts nothing but, perhaps, the next line.
      const int found = a == 0 && b > 2 ? 2 : a + 1;
      EXPECT_THAT(Finding(VerifyTexts({Join(lines)})),
                  StartsWith(absl::StrCat("1:", found, ": ")))
          << a << " " << b;
      if (b == a + 1 && b < kLines - 1) {
        EXPECT_THAT(Finding(VerifyTexts({Join(lines)})),
                    HasSubstr("out of order"));
      }
    }
  }
}

TEST(AuditVerifyTest, InsertedLinesAreFound) {
  const std::vector<std::string> lines = MakeLog(kLines);
  for (int at = 1; at < kLines; ++at) {
    const std::string before = HashOfLine(lines[at - 1]);
    const std::string after = HashOfLine(lines[at]);
    const std::string zeros(64, '0');
    for (const std::string& forged :
         {Forge(at + 1, before), Forge(at + 1, zeros), Forge(at + 1, after),
          Forge(at, before), Forge(at, zeros), Forge(at + 2, before),
          Forge(at + 100, zeros), Forge(1, zeros), lines[at - 1], lines[0],
          lines[kLines - 1], std::string("\n"), std::string("{}\n")}) {
      std::vector<std::string> changed = lines;
      changed.insert(changed.begin() + at, forged);
      EXPECT_THAT(Finding(VerifyTexts({Join(changed)})),
                  StartsWith(absl::StrCat("1:", at + 1, ": ")))
          << "at " << at << ": " << forged;
    }
  }
}

TEST(AuditVerifyTest, AForgedChainIsFoundWhereItEnds) {
  // Two forged lines that fit each other and the line before.
  std::vector<std::string> lines = MakeLog(kLines);
  const std::string one = Forge(4, HashOfLine(lines[2]));
  const std::string two = Forge(5, HashOfLine(one));
  lines[3] = one;
  lines[4] = two;
  EXPECT_THAT(Finding(VerifyTexts({Join(lines)})),
              StartsWith("1:5: changed: "));
}

TEST(AuditVerifyTest, AForgedSequenceNumberIsFound) {
  for (int64_t seq : {1, 3, 5, 6, 1000}) {
    std::vector<std::string> lines = MakeLog(3);
    lines.push_back(Forge(seq, HashOfLine(lines.back())));
    EXPECT_THAT(Finding(VerifyTexts({Join(lines)})),
                StartsWith(absl::StrCat("1:4: forged seq: it is ", seq)));
  }
  EXPECT_THAT(Finding(VerifyTexts({Forge(2, kNoPrevious)})),
              StartsWith("1:1: forged: "));
  EXPECT_THAT(Finding(VerifyTexts({Forge(1, std::string(64, 'a'))})),
              StartsWith("1:1: forged: "));
}

TEST(AuditVerifyTest, ATruncatedFileIsTornInItsLastLine) {
  const std::vector<std::string> lines = MakeLog(kLines);
  const std::string text = Join(lines);
  size_t begin = 0;
  for (int line = 1; line <= kLines; ++line) {
    for (size_t i = 1; i < lines[line - 1].size(); ++i) {
      EXPECT_THAT(Finding(VerifyTexts({text.substr(0, begin + i)})),
                  StartsWith(absl::StrCat("1:", line, ": torn: ")));
    }
    begin += lines[line - 1].size();
  }
}

TEST(AuditVerifyTest, AChainGoesOnOverFiles) {
  const std::vector<std::string> lines = MakeLog(kLines);
  const std::string a = Join({lines.begin(), lines.begin() + 3});
  const std::string b = Join({lines.begin() + 3, lines.begin() + 5});
  const std::string c = Join({lines.begin() + 5, lines.end()});
  const Verdict verdict = VerifyTexts({a, "", b, c});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.records, kLines);
  EXPECT_EQ(Finding(VerifyTexts({b, c})), "intact");
  EXPECT_THAT(Finding(VerifyTexts({a, c})),
              StartsWith("2:1: missing: the lines with seq 4 to 5 before it; "
                         "it is the first line of its file"));
  EXPECT_THAT(Finding(VerifyTexts({c, a, b})),
              StartsWith("2:1: the chain begins anew where seq 10 belongs"));
  EXPECT_THAT(Finding(VerifyTexts({a, c, b})), StartsWith("2:1: "));
  EXPECT_THAT(Finding(VerifyTexts({b, a, c})), StartsWith("2:1: "));
  EXPECT_THAT(Finding(VerifyTexts({a.substr(0, a.size() - 1), b})),
              StartsWith("1:3: torn"));
  // The culprit is the last line of the file before.
  EXPECT_THAT(Finding(VerifyTexts(
                  {a, absl::StrReplaceAll(b, {{"number 5", "number 6"}}), c})),
              StartsWith("2:2: changed"));
}

// A log whose line 4 is `torn`, told by a gap in what follows.
std::vector<std::string> TornLog(absl::string_view torn, int64_t told_bytes) {
  std::vector<std::string> lines = MakeLog(3);
  lines.push_back(absl::StrCat(torn, "\n"));
  const std::string gap = FormatLine(
      {.stage = Stage::kGap, .torn_bytes = told_bytes}, 4, Sha256().Of(torn));
  lines.push_back(gap + "\n");
  lines.push_back(Forge(5, Sha256().Of(gap)));
  return lines;
}

TEST(AuditVerifyTest, ATornLineIsIntactIfAGapTellsOfIt) {
  for (absl::string_view torn :
       {"{\"seq\":4,\"pr", "", "\n", "x\ny", "{\"seq\n{\"seq\":4"}) {
    const Verdict verdict = VerifyTexts(
        {Join(TornLog(torn, static_cast<int64_t>(torn.size())))}, 5);
    EXPECT_EQ(Finding(verdict), "intact") << torn;
    EXPECT_EQ(verdict.records, 5);
    EXPECT_EQ(verdict.gaps, 1);
  }
  // In the first line of all.
  const std::string gap =
      FormatLine({.stage = Stage::kGap, .torn_bytes = 1}, 1, Sha256().Of("{"));
  EXPECT_EQ(Finding(VerifyTexts({absl::StrCat("{\n", gap, "\n")})), "intact");
}

TEST(AuditVerifyTest, ATornLineIsAFaultUnlessAGapTellsOfExactlyIt) {
  const std::vector<std::string> lines = TornLog("{\"seq", 5);
  ASSERT_EQ(Finding(VerifyTexts({Join(lines)})), "intact");
  std::vector<std::string> changed = lines;
  changed[3] = "{\"seQ\n";
  EXPECT_THAT(Finding(VerifyTexts({Join(changed)})), StartsWith("1:4: not"));
  changed[3] = "{\"se\n";
  EXPECT_THAT(Finding(VerifyTexts({Join(changed)})), StartsWith("1:4: not"));
  changed = lines;
  changed.insert(changed.begin() + 3, "\n");
  EXPECT_THAT(Finding(VerifyTexts({Join(changed)})), StartsWith("1:4: not"));
  changed = lines;
  changed.erase(changed.begin() + 3);
  EXPECT_THAT(Finding(VerifyTexts({Join(changed)})),
              StartsWith("1:4: tells of a torn line of 5 bytes"));
  changed = lines;
  changed.erase(changed.begin() + 4, changed.end());
  EXPECT_THAT(Finding(VerifyTexts({Join(changed)})), StartsWith("1:4: not"));
  EXPECT_THAT(Finding(VerifyTexts({Join(changed), lines[4]})),
              StartsWith("1:4: not"));
  EXPECT_THAT(Finding(VerifyTexts({Join(TornLog("{\"seq", 4))})),
              StartsWith("1:4: not"));
}

TEST(AuditVerifyTest, KeepsLittleOfALineWithoutEnd) {
  Verifier verifier;
  verifier.BeginFile("zeros");
  const std::string zeros(1 << 16, '\0');
  int fed = 1;
  while (verifier.Feed(zeros) && fed < 1000) ++fed;
  EXPECT_LE(fed, 17);
  EXPECT_EQ(Finding(verifier.Finish()), "zeros:1: longer than any record");
  // Nor of many that are none.
  Verifier second;
  second.BeginFile("lines");
  const std::string newlines(1 << 16, '\n');
  for (fed = 1; second.Feed(newlines) && fed < 1000;) ++fed;
  EXPECT_LE(fed, 17);
  EXPECT_THAT(Finding(second.Finish()), StartsWith("lines:1: not an audit"));
}

}  // namespace
}  // namespace specula::audit
