#include "agent/metrics/memo.h"

#include <string>

#include "gtest/gtest.h"

namespace specula::agent {
namespace {

constexpr absl::Duration kStart = absl::Hours(1);

TEST(MemoTest, FindsOutOnceForEachName) {
  Memo<bool> memo;
  int asked = 0;
  auto yes = [&] {
    ++asked;
    return true;
  };
  EXPECT_TRUE(memo.Get("a", kStart, yes));
  EXPECT_TRUE(memo.Get("a", kStart, yes));
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(memo.Get("b", kStart, [] { return false; }));
  EXPECT_FALSE(memo.Get("b", kStart, yes)) << "no is remembered as well";
  EXPECT_TRUE(memo.Get("a", kStart, [] { return false; }));
}

TEST(MemoTest, NamesWithoutEndAreForgotten) {
  Memo<int> memo;
  int asked = 0;
  for (int i = 0; i < 5000; ++i) {
    memo.Get("veth" + std::to_string(i), kStart, [&] { return ++asked; });
  }
  EXPECT_EQ(asked, 5000);
  // The last is known, the first is not.
  memo.Get("veth4999", kStart, [&] { return ++asked; });
  EXPECT_EQ(asked, 5000);
  memo.Get("veth0", kStart, [&] { return ++asked; });
  EXPECT_EQ(asked, 5001);
}

TEST(MemoTest, AnOldAnswerIsForgottenHoweverOftenItWasAskedFor) {
  Memo<int> memo;
  int asked = 0;
  auto count = [&] { return ++asked; };
  for (int seconds = 0; seconds < 300; ++seconds) {
    EXPECT_EQ(memo.Get("eth0", kStart + absl::Seconds(seconds), count), 1);
  }
  EXPECT_EQ(memo.Get("eth0", kStart + absl::Seconds(300), count), 2);
  EXPECT_EQ(memo.Get("eth0", kStart + absl::Seconds(599), count), 2);
  EXPECT_EQ(memo.Get("eth0", kStart + absl::Seconds(600), count), 3);
}

TEST(MemoTest, HowLongAnAnswerIsKeptIsAChoice) {
  Memo<int> memo(absl::Seconds(2));
  int asked = 0;
  auto count = [&] { return ++asked; };
  EXPECT_EQ(memo.Get("", kStart, count), 1);
  EXPECT_EQ(memo.Get("", kStart + absl::Seconds(1), count), 1);
  EXPECT_EQ(memo.Get("", kStart + absl::Seconds(2), count), 2);
}

}  // namespace
}  // namespace specula::agent
