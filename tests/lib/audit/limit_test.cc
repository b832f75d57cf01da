#include "lib/audit/limit.h"

#include "gtest/gtest.h"

namespace specula::audit {
namespace {

// How many of `count` records at `now` are admitted.
int Admitted(Limiter& limiter, int count, absl::Duration now) {
  int admitted = 0;
  for (int i = 0; i < count; ++i) {
    Record record;
    admitted += limiter.Admit(record, now) ? 1 : 0;
    EXPECT_EQ(record.suppressed, std::nullopt);
  }
  return admitted;
}

TEST(AuditLimitTest, TellsHowManyWereNotWritten) {
  Limiter limiter;
  const absl::Duration start = absl::Seconds(100);
  EXPECT_EQ(Admitted(limiter, 1000, start), 20);
  Record record;
  EXPECT_TRUE(limiter.Admit(record, start + absl::Seconds(1)));
  EXPECT_EQ(record.suppressed, 980);
  EXPECT_EQ(Admitted(limiter, 1, start + absl::Seconds(1)), 1);
}

TEST(AuditLimitTest, WhatWasSuppressedIsToldLaterIfARecordCannotBeWritten) {
  Limiter limiter;
  const absl::Duration start = absl::Seconds(100);
  EXPECT_EQ(Admitted(limiter, 23, start), 20);
  Record record;
  EXPECT_TRUE(limiter.Admit(record, start + absl::Seconds(1)));
  EXPECT_EQ(record.suppressed, 3);
  limiter.Restore(3);
  record = {};
  EXPECT_TRUE(limiter.Admit(record, start + absl::Seconds(2)));
  EXPECT_EQ(record.suppressed, 3);
}

}  // namespace
}  // namespace specula::audit
