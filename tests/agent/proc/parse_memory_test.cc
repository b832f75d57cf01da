#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kKb = 1024;

TEST(ParseMemInfoTest, EachLineHasItsField) {
  auto info = ParseMemInfo(
      "MemTotal:              1 kB\n"
      "MemFree:               2 kB\n"
      "MemAvailable:          3 kB\n"
      "Buffers:               4 kB\n"
      "Cached:                5 kB\n"
      "SwapCached:            6 kB\n"
      "Active(file):         99 kB\n"
      "SwapTotal:             7 kB\n"
      "SwapFree:              8 kB\n"
      "Dirty:                 9 kB\n"
      "Shmem:                10 kB\n"
      "KReclaimable:         98 kB\n"
      "Slab:                 97 kB\n"
      "SReclaimable:         11 kB\n"
      "HugePages_Total:      12\n"
      "HugePages_Free:       13\n"
      "HugePages_Rsvd:       96\n"
      "Hugepagesize:       2048 kB\n");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->total, 1 * kKb);
  EXPECT_EQ(info->free, 2 * kKb);
  EXPECT_EQ(info->available, 3 * kKb);
  EXPECT_EQ(info->buffers, 4 * kKb);
  EXPECT_EQ(info->cached, 5 * kKb);
  EXPECT_EQ(info->swap_cached, 6 * kKb);
  EXPECT_EQ(info->swap_total, 7 * kKb);
  EXPECT_EQ(info->swap_free, 8 * kKb);
  EXPECT_EQ(info->dirty, 9 * kKb);
  EXPECT_EQ(info->shared, 10 * kKb);
  EXPECT_EQ(info->reclaimable_slab, 11 * kKb);
  EXPECT_EQ(info->hugepages_total, 12);
  EXPECT_EQ(info->hugepages_free, 13);
  EXPECT_EQ(info->hugepage_size, 2048 * kKb);
}

TEST(ParseMemInfoTest, MissingLinesAreAbsent) {
  auto info = ParseMemInfo("MemTotal: 100 kB\nMemFree: 0 kB\n");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->free, 0);
  EXPECT_EQ(info->available, std::nullopt);
  EXPECT_EQ(info->swap_total, std::nullopt);
  EXPECT_EQ(info->hugepages_total, std::nullopt);
}

TEST(ParseMemInfoTest, AvailableAboveTotalIsPassedThrough) {
  auto info = ParseMemInfo(
      "MemTotal:       64000000 kB\n"
      "MemFree:        34304000 kB\n"
      "MemAvailable:   81175552 kB\n");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->total, 64000000 * kKb);
  EXPECT_EQ(info->available, 81175552 * kKb);
}

TEST(ParseMemInfoTest, NumbersThatDoNotFitAreCut) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  auto info = ParseMemInfo(
      "MemTotal: 18446744073709551615 kB\n"
      "MemFree: 9007199254740992 kB\n"
      "Cached: 9007199254740991 kB\n"
      "Buffers: -4 kB\n"
      "HugePages_Total: 99999999999999999999\n");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->total, kMost);
  EXPECT_EQ(info->free, kMost);
  EXPECT_EQ(info->cached, kMost - 1023);
  EXPECT_EQ(info->buffers, std::nullopt) << "below 0 is no value";
  EXPECT_EQ(info->hugepages_total, kMost);
}

TEST(ParseMemInfoTest, LinesThatAreNotUnderstoodArePassedOver) {
  for (absl::string_view odd :
       {"MemFree", "MemFree:", "MemFree: x kB", "MemFree: 5x kB", "", ":",
        "memfree: 5 kB", " MemFree: 5 kB", "MemFree : 5 kB",
        "XMemFree: 5 kB"}) {
    auto info = ParseMemInfo(absl::StrCat(odd, "\nMemTotal: 8 kB\n"));
    ASSERT_TRUE(info.ok()) << odd;
    EXPECT_EQ(info->total, 8 * kKb) << odd;
    EXPECT_EQ(info->free, std::nullopt) << odd;
  }
}

TEST(ParseMemInfoTest, OfALineGivenTwiceTheFirstCounts) {
  auto info = ParseMemInfo("MemTotal: 8 kB\nMemTotal: 9 kB\n");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->total, 8 * kKb);
}

TEST(ParseMemInfoTest, TextWithoutATotalIsRefusedByName) {
  for (absl::string_view text : {"", "MemFree: 5 kB\n", "MemTotal: 0 kB\n",
                                 "MemTotal: -5 kB\n", "MemTotal: kB\n"}) {
    auto info = ParseMemInfo(text);
    EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(info.status().message()),
                HasSubstr("/proc/meminfo"));
  }
}

TEST(ParseArcStatsTest, TheTypeStandsBetweenNameAndValue) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const struct {
    absl::string_view text;
    std::optional<std::pair<int64_t, int64_t>> size_and_least;
  } kCases[] = {
      {"13 1 0x01 96 26112 1 1\nname type data\nhits 4 9\n"
       "c_min                           4    524288000\n"
       "size                            4    12000000000\n",
       {{12000000000, 524288000}}},
      {"size 4 5\nc_min 4 7", {{5, 7}}},
      {"size 4 5\nsize 4 6\nc_min 4 0\n", {{5, 0}}},
      {"size 4 99999999999999999999\nc_min 4 1\n", {{kMost, 1}}},
      {"size 4 -5\nc_min 4 1\n", std::nullopt},
      {"size 4 5\n", std::nullopt},
      {"c_min 4 5\n", std::nullopt},
      {"size 5\nc_min 5\n", std::nullopt},
      {"hdr_size 4 5\nc_min 4 1\n", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& test : kCases) {
    const absl::StatusOr<ArcStats> stats = ParseArcStats(test.text);
    ASSERT_EQ(stats.ok(), test.size_and_least.has_value()) << test.text;
    if (!stats.ok()) continue;
    EXPECT_EQ(std::pair(stats->size, stats->least), *test.size_and_least)
        << test.text;
  }
}

TEST(ParseInactiveFileTest, OfV1TheTotalCounts) {
  const struct {
    absl::string_view text;
    std::optional<int64_t> bytes;
  } kCases[] = {
      {"anon 1\nfile 2\ninactive_anon 3\ninactive_file 4\n", 4},
      {"inactive_file 4\ntotal_inactive_file 9\n", 9},
      {"total_inactive_file 9\ninactive_file 4\n", 9},
      {"inactive_file 0", 0},
      {"inactive_file -1\n", std::nullopt},
      {"inactive_file\n", std::nullopt},
      {"inactive_files 5\n", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& test : kCases)
    EXPECT_EQ(ParseInactiveFile(test.text), test.bytes) << test.text;
}

}  // namespace
}  // namespace specula::agent
