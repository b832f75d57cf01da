#include "lib/base/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "lib/base/unique_fd.h"

namespace specula {
namespace {

struct Pipe {
  explicit Pipe(int flags) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | flags), 0);
    out.Reset(ends[0]);
    in.Reset(ends[1]);
  }
  UniqueFd out;
  UniqueFd in;
};

std::string ReadAll(int fd) {
  std::string all;
  char buffer[1000];
  ssize_t got = 0;
  // Waits for each piece, also where the pipe is one that does not wait.
  while ((got = read(fd, buffer, sizeof buffer)) != 0) {
    if (got > 0) all.append(buffer, static_cast<size_t>(got));
    if (got < 0 && errno != EAGAIN) break;
  }
  return all;
}

// Much more than a pipe holds.
const std::string& Long() {
  static const std::string text(1 << 20, 'x');
  return text;
}

TEST(OutputTest, APipeThatDoesNotBlockGetsAll) {
  for (const int flags : {0, O_NONBLOCK}) {
    Pipe pipe(flags);
    std::string got;
    std::thread reader([&] { got = ReadAll(pipe.out.get()); });
    EXPECT_EQ(WriteAll(pipe.in.get(), Long()), 0);
    pipe.in.Reset();
    reader.join();
    EXPECT_EQ(got.size(), Long().size()) << flags;
  }
}

TEST(OutputTest, WhatIsWrongIsGiven) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe(0);
  pipe.out.Reset();
  EXPECT_EQ(WriteAll(pipe.in.get(), "x"), EPIPE);
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  EXPECT_EQ(WriteAll(full.get(), "x"), ENOSPC);
  EXPECT_EQ(WriteAll(full.get(), ""), 0);
}

TEST(OutputTest, AReaderThatLeavesAPipeThatDoesNotBlockIsNoticed) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe(O_NONBLOCK);
  char byte = 0;
  std::thread reader([&] {
    EXPECT_EQ(read(pipe.out.get(), &byte, 1) == 1 || errno == EAGAIN, true);
    pipe.out.Reset();
  });
  EXPECT_EQ(WriteAll(pipe.in.get(), Long()), EPIPE);
  reader.join();
}

}  // namespace
}  // namespace specula
