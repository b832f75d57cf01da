#include "lib/audit/limit.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/audit/testing.h"
#include "tests/lib/base/testing.h"

namespace specula::audit {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(AuditLimitTest, TellsHowManyWereNotWritten) {
  const TempDirectory directory;
  const std::string path = directory.Path("audit.log");
  const std::unique_ptr<Writer> writer = *Writer::Open(path, "1");
  Limiter limiter;
  const absl::Duration start = absl::Seconds(100);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_THAT(limiter.Append(*writer, {.stage = Stage::kDenied}, start),
                IsOk());
  }
  EXPECT_EQ(LinesOf(path).size(), 21);  // and the one that opens it
  EXPECT_THAT(Read(path), Not(HasSubstr("suppressed")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(limiter.Append(*writer, {.stage = Stage::kDenied},
                               start + absl::Seconds(1)),
                IsOk());
  }
  const std::vector<std::string> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 23);
  EXPECT_THAT(lines[21], HasSubstr("\"suppressed\":980}"));
  EXPECT_THAT(lines[22], Not(HasSubstr("suppressed")));
}

TEST(AuditLimitTest, WhatWasSuppressedIsToldLaterIfARecordCannotBeWritten) {
  const TempDirectory directory;
  const std::string path = directory.Path("audit.log");
  const std::unique_ptr<Writer> writer = *Writer::Open(path, "1");
  Limiter limiter;
  const absl::Duration start = absl::Seconds(100);
  for (int i = 0; i < 23; ++i) {
    EXPECT_THAT(limiter.Append(*writer, {.stage = Stage::kDenied}, start),
                IsOk());
  }
  const std::string aside = directory.Path("aside");
  ASSERT_EQ(rename(path.c_str(), aside.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_THAT(limiter.Append(*writer, {.stage = Stage::kDenied},
                             start + absl::Seconds(1)),
              Not(IsOk()));
  ASSERT_EQ(rmdir(path.c_str()), 0);
  EXPECT_THAT(limiter.Append(*writer, {.stage = Stage::kDenied},
                             start + absl::Seconds(2)),
              IsOk());
  const std::vector<std::string> lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_THAT(lines[0], HasSubstr("\"lost\":1"));
  EXPECT_THAT(lines[1], HasSubstr("\"suppressed\":3}"));
  EXPECT_EQ(Finding(VerifyTexts({Read(aside), Read(path)})), "intact");
}

}  // namespace
}  // namespace specula::audit
