#include "ctl/line_diff.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

// What diff -u prints below its two lines of names.
TEST(LineDiffTest, IsThatOfDiffU) {
  const struct {
    const char* from;
    const char* to;
    const char* diff;
  } kCases[] = {
      {"", "", ""},
      {"a\nb\n", "a\nb\n", ""},
      {"", "a\n", "@@ -0,0 +1 @@\n+a\n"},
      {"a\n", "", "@@ -1 +0,0 @@\n-a\n"},
      {"a\nb\nc\n", "a\nX\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n"},
      {"a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
      {"1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n",
       "@@ -3,4 +3,3 @@\n 3\n 4\n 5\n-6\n"},
      {"a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
       "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n"},
      {"a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
       "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
       "@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n"},
      {"a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
       "@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(UnifiedDiff(test.from, test.to), test.diff)
        << test.from << "|" << test.to;
  }
}

TEST(LineDiffTest, TextsWithNothingInCommonAreStillTold) {
  std::string from;
  std::string to;
  for (int i = 0; i < 50'000; ++i) {
    absl::StrAppend(&from, "a", i, "\n");
    absl::StrAppend(&to, "b", i, "\n");
  }
  const std::string diff = UnifiedDiff(from, to);
  EXPECT_EQ(diff.substr(0, 23), "@@ -1,50000 +1,50000 @@");
  EXPECT_EQ(diff.size(), 24 + from.size() + to.size() + 100'000);
}

}  // namespace
}  // namespace specula::ctl
