#include "ctl/hosts/fold.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ctl/hosts/host_set.h"
#include "ctl/hosts/pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::ctl {
namespace {

using ::specula::testing::IsOk;
using ::testing::UnorderedElementsAreArray;

std::vector<std::string> Read(absl::string_view text) {
  return EvaluateHostSet(text, {}, 60120).value_or(std::vector<std::string>());
}

TEST(FoldHostsTest, ShortAndSorted) {
  const struct {
    const char* names;
    const char* folded;
  } kCases[] = {
      {"vm1", "vm1"},
      {"vm1,vm2", "vm[1-2]"},
      {"vm2,vm1,vm1", "vm[1-2]"},
      {"vm1,vm2,vm3,vm5", "vm[1-3,5]"},
      {"vm1,vm3,vm5", "vm[1,3,5]"},
      {"vm9,vm10,vm11", "vm[9-11]"},
      {"vm09,vm10,vm11", "vm[09-11]"},
      {"vm08,vm09,vm1,vm2", "vm[1-2],vm[08-09]"},
      {"vm01,vm10,vm100", "vm100,vm[01,10]"},
      {"vm0,vm1", "vm[0-1]"},
      {"vm00,vm01", "vm[00-01]"},
      {"web,db", "db,web"},
      {"b1,a1,a2,b2", "a[1-2],b[1-2]"},
      {"r[1-3]n[1-4]", "r[1-3]n[1-4]"},
      {"r[1-3]n[1-4],r4n1", "r[1-3]n[1-4],r4n1"},
      {"r1n[1-2],r2n[1-2],r3n3", "r[1-2]n[1-2],r3n3"},
      {"a[1-2]b[1-2]c[1-2]", "a[1-2]b[1-2]c[1-2]"},
      {"10.0.0.[1-9]", "10.0.0.[1-9]"},
      {"10.0.[0-1].[1-9]", "10.0.[0-1].[1-9]"},
      {"vm[1-2]:7000", "vm[1-2]:7000"},
      {"vm1:[7000-7002]", "vm1:[7000-7002]"},
      {"vm[1-2]x", "vm[1-2]x"},
      {"[::1]:7000,[::2]:7000", "[::1]:7000,[::2]:7000"},
      {"::1,::2", "::1,::2"},
      {"[1-3]", "[1-3]"},
      {"vm1234567890123456,vm1234567890123457",
       "vm1234567890123456,vm1234567890123457"},
  };
  for (const auto& test : kCases) {
    ASSERT_FALSE(Read(test.names).empty()) << test.names;
    EXPECT_EQ(FoldHosts(Read(test.names)), test.folded) << test.names;
  }
  EXPECT_EQ(FoldHosts({}), "");
}

TEST(FoldHostsTest, ReadsBackAsTheSameHosts) {
  std::mt19937 random(1);
  const char* kTexts[] = {"vm", "r", "n", "-", "x", ".", ""};
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> names;
    for (size_t i = random() % 30 + 1; i > 0; --i) {
      std::string name = "h";
      for (size_t part = random() % 4; part > 0; --part) {
        absl::StrAppend(&name, kTexts[random() % 7],
                        random() % 3 == 0 ? "0" : "", random() % 12);
      }
      names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    const std::string folded = FoldHosts(names);
    const auto again = EvaluateHostSet(folded, {}, 60120);
    ASSERT_THAT(again, IsOk()) << folded;
    ASSERT_THAT(*again, UnorderedElementsAreArray(names)) << folded;
  }
}

TEST(FoldHostsTest, TheGreatestSetIsFolded) {
  const std::vector<std::string> names = Read("r[1-250]n[1-400]");
  ASSERT_EQ(names.size(), kMostHosts);
  EXPECT_EQ(FoldHosts(names), "r[1-250]n[1-400]");
}

}  // namespace
}  // namespace specula::ctl
