#include "agent/metrics/memory.h"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

v1::Memory Fill(const MemInfo& info,
                const std::optional<ArcStats>& arc = std::nullopt) {
  v1::Memory memory;
  FillMemory(info, arc, &memory);
  return memory;
}

MemInfo ReadTree(absl::string_view tree) {
  const ProcRoot root(
      absl::StrCat(testing::TestDataDirectory(), "/proc/", tree));
  return ParseMemInfo(root.Read("/proc/meminfo").value()).value();
}

TEST(MemoryTest, EachFieldHasItsFormula) {
  MemInfo info;
  info.total = 1000;
  info.available = 400;
  info.free = 300;
  info.cached = 70;
  info.reclaimable_slab = 5;
  info.buffers = 20;
  info.shared = 11;
  info.dirty = 3;
  info.swap_total = 500;
  info.swap_free = 350;
  info.swap_cached = 40;
  info.hugepages_total = 8;
  info.hugepages_free = 6;
  info.hugepage_size = 2 * kMiB;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.quality(), v1::QUALITY_OK);
  EXPECT_EQ(memory.total_bytes(), 1000);
  EXPECT_EQ(memory.available_bytes(), 400);
  EXPECT_EQ(memory.used_bytes(), 600);
  EXPECT_DOUBLE_EQ(memory.utilization(), 0.6);
  EXPECT_EQ(memory.free_bytes(), 300);
  EXPECT_EQ(memory.cached_bytes(), 75);
  EXPECT_EQ(memory.buffers_bytes(), 20);
  EXPECT_EQ(memory.shared_bytes(), 11);
  EXPECT_EQ(memory.dirty_bytes(), 3);
  EXPECT_EQ(memory.swap_total_bytes(), 500);
  EXPECT_EQ(memory.swap_used_bytes(), 110) << "what is cached is not used";
  EXPECT_EQ(memory.hugepages_total_count(), 8);
  EXPECT_EQ(memory.hugepages_free_count(), 6);
  EXPECT_EQ(memory.hugepage_size_bytes(), 2 * kMiB);
}

TEST(MemoryTest, MoreAvailableThanTotalIsNotBelieved) {
  // nezha #1184: an LXC container with the host's MemAvailable.
  MemInfo info;
  info.total = 62500 * kMiB;
  info.free = 33500 * kMiB;
  info.buffers = 100 * kMiB;
  info.cached = 1000 * kMiB;
  info.reclaimable_slab = 400 * kMiB;
  info.available = 79273 * kMiB;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.quality(), v1::QUALITY_CLAMPED);
  EXPECT_EQ(memory.available_bytes(), 35000 * kMiB);
  EXPECT_EQ(memory.used_bytes(), 27500 * kMiB);
  EXPECT_DOUBLE_EQ(memory.utilization(), 0.44);
  EXPECT_EQ(memory.free_bytes(), 33500 * kMiB);
}

TEST(MemoryTest, TheRecordedLxcContainerIsEstimated) {
  const v1::Memory memory = Fill(ReadTree("lxc"));
  EXPECT_EQ(memory.quality(), v1::QUALITY_CLAMPED);
  EXPECT_EQ(memory.total_bytes(), int64_t{64'000'000} * 1024);
  EXPECT_EQ(memory.available_bytes(), int64_t{34'304'000 + 3'276'800} * 1024);
  EXPECT_EQ(memory.used_bytes(),
            memory.total_bytes() - memory.available_bytes());
}

TEST(MemoryTest, WhereTheEstimateCannotBeEitherNothingIsSaid) {
  MemInfo available_and_cache_of_the_host;
  available_and_cache_of_the_host.total = 1000;
  available_and_cache_of_the_host.available = 5000;
  available_and_cache_of_the_host.free = 900;
  available_and_cache_of_the_host.cached = 4000;
  MemInfo total_alone;
  total_alone.total = 1000;
  MemInfo no_free = total_alone;
  no_free.available = 2000;
  no_free.cached = 100;
  for (MemInfo info : {available_and_cache_of_the_host, total_alone, no_free}) {
    info.swap_total = 50;
    info.swap_free = 10;
    const v1::Memory memory = Fill(info, ArcStats{100, 0});
    EXPECT_EQ(memory.quality(), v1::QUALITY_UNAVAILABLE);
    EXPECT_FALSE(memory.has_utilization());
    EXPECT_EQ(memory.total_bytes(), 0) << "or the use would be 0 of it";
    EXPECT_EQ(memory.used_bytes(), 0);
    EXPECT_EQ(memory.zfs_reclaimable_bytes(), 0);
    EXPECT_EQ(memory.swap_used_bytes(), 40);
  }
}

TEST(MemoryTest, WhatZfsGivesBackIsAvailable) {
  MemInfo info;
  info.total = 16'000;
  info.available = 1'000;
  info.cached = 500;
  const struct {
    ArcStats arc;
    int64_t reclaimable;
    v1::Quality quality;
  } kCases[] = {
      {{12'000, 500}, 11'500, v1::QUALITY_OK},
      {{15'000, 0}, 15'000, v1::QUALITY_OK},
      {{500, 500}, 0, v1::QUALITY_OK},
      {{100, 500}, 0, v1::QUALITY_OK},
      // More than is used: the cache of another memory.
      {{15'001, 0}, 0, v1::QUALITY_CLAMPED},
      {{kMost, 0}, 0, v1::QUALITY_CLAMPED},
  };
  for (const auto& test : kCases) {
    const v1::Memory memory = Fill(info, test.arc);
    EXPECT_EQ(memory.quality(), test.quality) << test.arc.size;
    EXPECT_EQ(memory.zfs_reclaimable_bytes(), test.reclaimable);
    EXPECT_EQ(memory.available_bytes(), 1'000 + test.reclaimable);
    EXPECT_EQ(memory.used_bytes(), 15'000 - test.reclaimable);
    EXPECT_EQ(memory.cached_bytes(), 500 + test.reclaimable);
  }
}

TEST(MemoryTest, TheCacheOfZfsIsReadWhereItsHostIs) {
  TempDirectory directory;
  ProcRoot root(directory.path());
  directory.Write("proc/meminfo", "MemTotal: 8 kB\n");
  EXPECT_FALSE(ReadArc(root).has_value());
  directory.Write("proc/spl/kstat/zfs/arcstats", "size 4 7\nc_min 4 5\n");
  ASSERT_TRUE(ReadArc(root).has_value());
  EXPECT_EQ(ReadArc(root)->size, 7);
  EXPECT_EQ(ReadArc(root)->least, 5);
  // As lxcfs does: a file of another file system in place of the host's.
  std::filesystem::remove(directory.Path("proc/meminfo"));
  std::filesystem::create_symlink("/proc/meminfo",
                                  directory.Path("proc/meminfo"));
  EXPECT_FALSE(ReadArc(root).has_value());
}

TEST(MemoryTest, AllAvailableIsNoError) {
  MemInfo info;
  info.total = 100;
  info.available = 100;
  EXPECT_EQ(Fill(info).quality(), v1::QUALITY_OK);
  info.available = 101;
  EXPECT_NE(Fill(info).quality(), v1::QUALITY_OK);
  info.available = 0;
  const v1::Memory full = Fill(info);
  EXPECT_EQ(full.quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(full.utilization(), 1);
}

TEST(MemoryTest, OldKernelsWithoutAvailableAreEstimated) {
  MemInfo info;
  info.total = 1000;
  info.free = 100;
  info.buffers = 20;
  info.cached = 200;
  info.reclaimable_slab = 30;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.quality(), v1::QUALITY_CLAMPED);
  EXPECT_EQ(memory.available_bytes(), 350);
  EXPECT_EQ(memory.used_bytes(), 650);
  info.cached = 5000;
  EXPECT_EQ(Fill(info).quality(), v1::QUALITY_UNAVAILABLE);
}

TEST(MemoryTest, ARecordedHostIsSound) {
  const v1::Memory memory = Fill(ReadTree("debian12-vm"));
  EXPECT_EQ(memory.quality(), v1::QUALITY_OK);
  EXPECT_EQ(memory.total_bytes(), int64_t{24'684'092} * 1024);
  EXPECT_EQ(memory.used_bytes(),
            memory.total_bytes() - memory.available_bytes());
  EXPECT_GT(memory.utilization(), 0);
  EXPECT_LT(memory.utilization(), 1);
  EXPECT_EQ(memory.swap_used_bytes(), 0);
}

TEST(MemoryTest, SwapIsNeverNegative) {
  MemInfo info;
  info.total = 1000;
  info.available = 1000;
  info.swap_total = 100;
  info.swap_free = 90;
  info.swap_cached = 20;
  EXPECT_EQ(Fill(info).swap_used_bytes(), 0);
  // A container without swap that sees the host's cache.
  info.swap_total = 0;
  info.swap_free = 0;
  EXPECT_EQ(Fill(info).swap_used_bytes(), 0);
}

TEST(MemoryTest, MoreFreeThanThereIsIsNoSwapAndNoHugePages) {
  MemInfo info;
  info.total = info.available = 1000;
  info.swap_total = 100;
  info.swap_free = 101;
  info.hugepages_total = 5;
  info.hugepages_free = 6;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.swap_total_bytes(), 0) << "or none of it would be used";
  EXPECT_EQ(memory.swap_used_bytes(), 0);
  EXPECT_EQ(memory.hugepages_total_count(), 0);
  EXPECT_EQ(memory.hugepages_free_count(), 0);
}

TEST(MemoryTest, UnknownTotalHasNoShare) {
  const v1::Memory memory = Fill(MemInfo());
  EXPECT_FALSE(memory.has_utilization());
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_NE(memory.quality(), v1::QUALITY_OK);
}

TEST(MemoryTest, GreatestNumbersOverflowNothing) {
  MemInfo info;
  info.total = kMost;
  info.free = info.buffers = info.cached = info.reclaimable_slab = kMost;
  info.swap_free = info.swap_cached = kMost;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.cached_bytes(), kMost);
  EXPECT_EQ(memory.available_bytes(), kMost);
  EXPECT_EQ(memory.used_bytes(), 0);
  EXPECT_EQ(memory.swap_used_bytes(), 0);
  info.available = 0;
  EXPECT_EQ(Fill(info).used_bytes(), kMost);
}

TEST(MemoryTest, NegativeNumbersAreNone) {
  MemInfo info;
  info.total = -5;
  info.available = -5;
  info.free = info.buffers = info.cached = info.swap_total = -5;
  const v1::Memory memory = Fill(info);
  EXPECT_EQ(memory.total_bytes(), 0);
  EXPECT_EQ(memory.available_bytes(), 0);
  EXPECT_EQ(memory.free_bytes(), 0);
  EXPECT_EQ(memory.cached_bytes(), 0);
  EXPECT_EQ(memory.swap_total_bytes(), 0);
}

}  // namespace
}  // namespace specula::agent
