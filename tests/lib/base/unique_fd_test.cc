#include "lib/base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <type_traits>
#include <utility>

#include "gtest/gtest.h"

namespace specula {
namespace {

static_assert(!std::is_copy_constructible_v<UniqueFd>);
static_assert(!std::is_copy_assignable_v<UniqueFd>);
static_assert(!std::is_convertible_v<int, UniqueFd>);

int NewFd() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, OwnsNothingAtFirst) {
  UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
  EXPECT_FALSE(UniqueFd(-1).valid());
}

TEST(UniqueFdTest, ClosesAtTheEnd) {
  const int number = NewFd();
  {
    UniqueFd fd(number);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFdTest, ZeroIsADescriptor) {
  UniqueFd fd(0);
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(fd.Release(), 0);
}

TEST(UniqueFdTest, ReleaseGivesUpWithoutClosing) {
  const int number = NewFd();
  {
    UniqueFd fd(number);
    EXPECT_EQ(fd.Release(), number);
    EXPECT_FALSE(fd.valid());
  }
  EXPECT_TRUE(IsOpen(number));
  close(number);
}

TEST(UniqueFdTest, ResetClosesTheOldAndOwnsTheNew) {
  const int first = NewFd();
  const int second = NewFd();
  UniqueFd fd(first);
  fd.Reset(second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  fd.Reset();
  EXPECT_FALSE(IsOpen(second));
  EXPECT_FALSE(fd.valid());
}

TEST(UniqueFdTest, MovingHandsOver) {
  const int first = NewFd();
  const int second = NewFd();
  UniqueFd a(first);
  UniqueFd b(std::move(a));
  EXPECT_EQ(b.get(), first);
  EXPECT_EQ(a.get(), -1);
  UniqueFd c(second);
  c = std::move(b);
  EXPECT_FALSE(IsOpen(second)) << "what was owned before is closed";
  EXPECT_TRUE(IsOpen(first));
  EXPECT_EQ(c.get(), first);
  EXPECT_EQ(b.get(), -1);
}

TEST(UniqueFdTest, MovingToItselfKeepsIt) {
  const int number = NewFd();
  UniqueFd fd(number);
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

}  // namespace
}  // namespace specula
