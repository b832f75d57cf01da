#include "agent/tail/last_lines.h"

#include <fcntl.h>

#include <algorithm>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

class LastLinesTest : public ::testing::Test {
 protected:
  int64_t Find(int64_t size, int64_t lines, int* scans = nullptr,
               int64_t most = LastLines::kMaxScanBytes) {
    UniqueFd fd(open(box_.Path("file").c_str(), O_RDONLY | O_CLOEXEC));
    LastLines last(size, lines, most);
    int count = 0;
    while (true) {
      auto found = last.Scan(fd.get(), "file");
      EXPECT_TRUE(found.ok()) << found.status();
      ++count;
      if (!found.ok() || *found) break;
    }
    if (scans != nullptr) *scans = count;
    cut_ = last.cut();
    return last.start();
  }

  // Of a file with this content, what is shown.
  std::string Tail(const std::string& text, int64_t lines) {
    box_.Write("file", text);
    return text.substr(
        static_cast<size_t>(Find(static_cast<int64_t>(text.size()), lines)));
  }

  Sandbox box_;
  bool cut_ = false;
};

TEST_F(LastLinesTest, LinesAreCountedAsTailDoes) {
  EXPECT_EQ(Tail("", 3), "");
  EXPECT_EQ(Tail("a\nb\nc\n", 0), "");
  EXPECT_EQ(Tail("a\nb\nc\n", 1), "c\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 3), "a\nb\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 4), "a\nb\nc\n");
  EXPECT_EQ(Tail("a\nb\nc", 1), "c");
  EXPECT_EQ(Tail("a\nb\nc", 2), "b\nc");
  EXPECT_EQ(Tail("\n\n\n", 2), "\n\n");
  EXPECT_EQ(Tail("\n", 1), "\n");
  EXPECT_EQ(Tail("no newline", 1), "no newline");
}

TEST_F(LastLinesTest, RandomFilesAgreeWithASimpleCount) {
  std::mt19937 random(std::random_device{}());
  for (int i = 0; i < 200; ++i) {
    std::string text(random() % 300'000, 'x');
    const size_t newlines = random() % 50;
    for (size_t n = 0; n < newlines && !text.empty(); ++n) {
      // Often at the borders of blocks.
      size_t at = random() % text.size();
      if (random() % 2 == 0) {
        at = text.size() - 1 -
             std::min(text.size() - 1, (random() % 4) * 65536 + random() % 3);
      }
      text[at] = '\n';
    }
    const int64_t lines = random() % 60;
    size_t start = text.size();
    for (int64_t left = lines; start > 0; --start) {
      if (text[start - 1] == '\n' && start != text.size()) --left;
      if (left <= 0) break;
    }
    if (lines == 0) start = text.size();
    ASSERT_EQ(Tail(text, lines), text.substr(start)) << i;
  }
}

TEST_F(LastLinesTest, OnlyTheSizeAtTheBeginningCounts) {
  box_.Write("file", "a\nb\nc\nd\n");
  EXPECT_EQ(Find(4, 1), 2);
}

TEST_F(LastLinesTest, AHundredThousandLinesAreFound) {
  std::string text;
  for (int i = 0; i < 150'000; ++i) text += std::to_string(i) + "\n";
  const std::string shown = Tail(text, 100'000);
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 100'000);
  EXPECT_EQ(shown.substr(0, 6), "50000\n");
}

TEST_F(LastLinesTest, NoMoreThanTheLimitIsLookedThrough) {
  constexpr int64_t kMost = 2 << 20;
  box_.Write("file", "first\n" + std::string(3 << 20, 'x'));
  int scans = 0;
  EXPECT_EQ(Find((3 << 20) + 6, 2, &scans, kMost), (3 << 20) + 6 - kMost);
  EXPECT_TRUE(cut_);
  // A piece at a time: others are to have their turn.
  EXPECT_EQ(scans, 2);
  // The newline is the first byte beyond what is looked through, then the last
  // one within.
  EXPECT_EQ(Find(kMost + 6, 1, &scans, kMost), 6);
  EXPECT_TRUE(cut_);
  EXPECT_EQ(Find(kMost + 5, 1, &scans, kMost), 5 + 1);
  EXPECT_FALSE(cut_);
}

TEST_F(LastLinesTest, AFileThatWasTruncatedMeanwhileIsReadFromItsStart) {
  box_.Write("file", "abc\n");
  EXPECT_EQ(Find(1000, 5), 0);
  EXPECT_EQ(Find(1'000'000, 5), 0);
}

TEST_F(LastLinesTest, FailingReadIsAnErrorWithTheName) {
  LastLines last(10, 1);
  auto found = last.Scan(-1, "/some/name");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.status().message().find("/some/name"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace specula::agent
