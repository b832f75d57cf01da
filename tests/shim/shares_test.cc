#include "shim/shares.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace specula::shim {
namespace {

TEST(SharesTest, OneGetsHalfAndTwoAThirdEach) {
  Shares alone(120);
  int taken = 0;
  while (alone.Take("a")) ++taken;
  EXPECT_EQ(taken, 60);
  // Who comes later gets half of what is left, and never nothing.
  taken = 0;
  while (alone.Take("b")) ++taken;
  EXPECT_EQ(taken, 30);

  Shares both(120);
  int a = 0;
  int b = 0;
  for (int i = 0; i < 120; ++i) {
    a += both.Take("a") ? 1 : 0;
    b += both.Take("b") ? 1 : 0;
  }
  EXPECT_EQ(a, 40);
  EXPECT_EQ(b, 40);
  EXPECT_TRUE(both.Take("c"));
}

TEST(SharesTest, NeverGivesMoreThanThereIs) {
  Shares shares(10);
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string who = std::to_string(i);
    while (shares.Take(who)) ++taken;
  }
  EXPECT_EQ(taken, 10u);
  EXPECT_EQ(shares.taken(), 10u);
}

TEST(SharesTest, WhatIsGivenBackMayBeTaken) {
  Shares shares(100);
  EXPECT_TRUE(shares.Take("a", 50));
  EXPECT_FALSE(shares.Take("a", 1));
  EXPECT_FALSE(shares.Take("b", 51));
  shares.Give("a", 50);
  EXPECT_EQ(shares.taken(), 0u);
  EXPECT_TRUE(shares.Take("b", 100));
  EXPECT_FALSE(shares.HasRoom("a"));
}

}  // namespace
}  // namespace specula::shim
