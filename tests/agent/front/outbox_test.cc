#include "agent/front/outbox.h"

#include <string>

#include "gtest/gtest.h"

namespace specula::agent {
namespace {

TEST(OutboxTest, OneIsWrittenWhileTheNextIsMade) {
  Outbox<std::string> outbox;
  EXPECT_EQ(outbox.TakeNext(), nullptr);
  outbox.MakeNext() = "one";
  EXPECT_TRUE(outbox.full());
  const std::string* one = outbox.TakeNext();
  ASSERT_NE(one, nullptr);
  EXPECT_TRUE(outbox.writing());
  EXPECT_FALSE(outbox.full());
  outbox.MakeNext() = "two";
  EXPECT_TRUE(outbox.full());
  // gRPC still reads it.
  EXPECT_EQ(outbox.TakeNext(), nullptr);
  EXPECT_EQ(*one, "one");
  outbox.Written();
  EXPECT_FALSE(outbox.writing());
  const std::string* two = outbox.TakeNext();
  ASSERT_NE(two, nullptr);
  EXPECT_EQ(*two, "two");
}

TEST(OutboxTest, NothingOfAnOldMessageIsInANewOne) {
  Outbox<std::string> outbox;
  outbox.MakeNext() = "old";
  EXPECT_EQ(outbox.MakeNext(), "");
  outbox.MakeNext() = "dropped";
  outbox.DropNext();
  EXPECT_FALSE(outbox.full());
  EXPECT_EQ(outbox.TakeNext(), nullptr);
  EXPECT_FALSE(outbox.writing());
}

}  // namespace
}  // namespace specula::agent
