#include "shim/reply.h"

#include <gtest/gtest.h>

namespace specula::shim {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;

TEST(ReplyTest, IsAsTheDocumentHasIt) {
  const Extent memory{1288490189, 4 * kGiB};
  const Extent disk{10522669875, 30 * kGiB};
  EXPECT_EQ(StatusReply({0.23, memory, disk}),
            "STATUS cpu=23% mem=1.2GiB/4.0GiB disk=9.8GiB/30GiB");
  EXPECT_EQ(CpuReply(0.23), "CPU 23%");
  EXPECT_EQ(MemReply(memory), "MEM 1.2GiB/4.0GiB");
  EXPECT_EQ(DiskReply(disk), "DISK 9.8GiB/30GiB");
  EXPECT_EQ(StartReply(4711), "START_OK pid=4711");
  EXPECT_EQ(OutEndReply(1, 0), "OUT_END 1 0");
  EXPECT_EQ(OutEndReply(12, 137), "OUT_END 12 137");
  EXPECT_EQ(ExecEndReply(3), "EXEC_END code=3");
}

TEST(ReplyTest, CpuIsAWholeNumberOfPercent) {
  EXPECT_EQ(CpuReply(0), "CPU 0%");
  EXPECT_EQ(CpuReply(0.004), "CPU 0%");
  EXPECT_EQ(CpuReply(0.996), "CPU 100%");
  EXPECT_EQ(CpuReply(1), "CPU 100%");
  EXPECT_EQ(CpuReply(1.7), "CPU 100%");
  EXPECT_EQ(CpuReply(-0.1), "CPU 0%");
}

TEST(ReplyTest, BytesTakeTheirUnit) {
  EXPECT_EQ(MemReply({0, 512}), "MEM 0B/512B");
  EXPECT_EQ(MemReply({1024, 10 * 1024}), "MEM 1.0KiB/10KiB");
  EXPECT_EQ(MemReply({9 * kMiB + kMiB / 2, 999 * kMiB}), "MEM 9.5MiB/999MiB");
  EXPECT_EQ(DiskReply({1024 * kGiB, 3 * 1024 * 1024 * kGiB}),
            "DISK 1.0TiB/3.0PiB");
}

TEST(ReplyTest, WhatWasNotMeasuredIsNotInvented) {
  EXPECT_EQ(StatusReply({}), "STATUS cpu=- mem=- disk=-");
}

TEST(ReplyTest, HeaderOfAChunkCountsItsBytes) {
  EXPECT_EQ(OutHeader(1, 0), "6\nOUT 1 ");
  EXPECT_EQ(OutHeader(1, 3) + "abc", "9\nOUT 1 abc");
  EXPECT_EQ(OutHeader(123, 100), "108\nOUT 123 ");
}

TEST(ReplyTest, EveryErrorHasItsWord) {
  EXPECT_EQ(ErrorReply(Error::kBadFrame), "ERR bad_frame");
  EXPECT_EQ(ErrorReply(Error::kTooLarge), "ERR too_large");
  EXPECT_EQ(ErrorReply(Error::kTooSlow), "ERR too_slow");
  EXPECT_EQ(ErrorReply(Error::kBadRequest), "ERR bad_request");
  EXPECT_EQ(ErrorReply(Error::kUnknownCommand), "ERR unknown_command");
  EXPECT_EQ(ErrorReply(Error::kUnauthorized), "ERR unauthorized");
  EXPECT_EQ(ErrorReply(Error::kDenied), "ERR denied");
  EXPECT_EQ(ErrorReply(Error::kBusy), "ERR busy");
  EXPECT_EQ(ErrorReply(Error::kUnavailable), "ERR unavailable");
  EXPECT_EQ(ErrorReply(Error::kExecFailed), "ERR exec_failed");
  EXPECT_EQ(ErrorReply(Error::kStartFailed), "ERR start_failed");
  EXPECT_EQ(ErrorReply(Error::kKillFailed), "ERR kill_failed");
  EXPECT_EQ(ErrorReply(Error::kTailFailed), "ERR tail_failed");
  EXPECT_EQ(ErrorReply(Error::kStopFailed), "ERR stop_failed");
}

}  // namespace
}  // namespace specula::shim
