#include "agent/metrics/memo.h"

#include <string>

#include "gtest/gtest.h"

namespace specula::agent {
namespace {

TEST(MemoTest, FindsOutOnceForEachName) {
  Memo<bool> memo;
  int asked = 0;
  auto yes = [&] {
    ++asked;
    return true;
  };
  EXPECT_TRUE(memo.Get("a", yes));
  EXPECT_TRUE(memo.Get("a", yes));
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(memo.Get("b", [] { return false; }));
  EXPECT_FALSE(memo.Get("b", yes)) << "no is remembered as well";
  EXPECT_TRUE(memo.Get("a", [] { return false; }));
}

TEST(MemoTest, NamesWithoutEndAreForgotten) {
  Memo<int> memo;
  int asked = 0;
  for (int i = 0; i < 5000; ++i) {
    memo.Get("veth" + std::to_string(i), [&] { return ++asked; });
  }
  EXPECT_EQ(asked, 5000);
  // The last is known, the first is not.
  memo.Get("veth4999", [&] { return ++asked; });
  EXPECT_EQ(asked, 5000);
  memo.Get("veth0", [&] { return ++asked; });
  EXPECT_EQ(asked, 5001);
}

}  // namespace
}  // namespace specula::agent
