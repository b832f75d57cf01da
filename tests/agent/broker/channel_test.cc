#include "agent/broker/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/broker/client.h"
#include "agent/broker/message.h"
#include "lib/base/file.h"

namespace specula::agent {
namespace {

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest()
      : ends_(*Channel::Pair()),
        a_(std::move(ends_.first)),
        b_(std::move(ends_.second)) {}

  std::pair<UniqueFd, UniqueFd> ends_;
  Channel a_;
  Channel b_;
};

Packet Text(std::string text) { return {std::move(text), {}}; }

std::string Receive(Channel& channel) {
  auto packet = channel.Receive();
  return packet.ok() && packet->has_value() ? (*packet)->bytes : "none";
}

TEST_F(ChannelTest, MessagesArriveWholeAndInOrder) {
  EXPECT_EQ(Receive(b_), "none");
  for (size_t size : {size_t{0}, size_t{1}, kMaxInlineBytes,
                      kMaxInlineBytes + 1, kMaxMessageBytes}) {
    const std::string text(size, 'x');
    ASSERT_TRUE(a_.Send(Text(text)).ok()) << size;
    auto packet = b_.Receive();
    ASSERT_TRUE(packet.ok() && packet->has_value()) << size << packet.status();
    EXPECT_EQ((*packet)->bytes, text);
    EXPECT_TRUE((*packet)->fds.empty());
  }
}

TEST_F(ChannelTest, DescriptorsTravelAndAreClosedOnExec) {
  for (size_t size : {size_t{5}, kMaxInlineBytes + 1}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    Packet packet = Text(std::string(size, 'x'));
    packet.fds.emplace_back(ends[1]);
    ASSERT_TRUE(a_.Send(std::move(packet)).ok());
    EXPECT_EQ(fcntl(ends[1], F_GETFD), -1) << "the sender keeps it";
    auto received = b_.Receive();
    ASSERT_TRUE(received.ok() && received->has_value());
    ASSERT_EQ((*received)->fds.size(), 1u);
    const int fd = (*received)->fds[0].get();
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ASSERT_EQ(write(fd, "y", 1), 1);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    close(ends[0]);
  }
}

TEST_F(ChannelTest, HeldDescriptorTravelsLastAndIsNotClosed) {
  const auto held =
      std::make_shared<const UniqueFd>(memfd_create("held", MFD_CLOEXEC));
  std::vector<UniqueFd> fds;
  fds.emplace_back(memfd_create("first", MFD_CLOEXEC));
  ASSERT_TRUE(a_.Send({"with two", std::move(fds), held}).ok());
  auto packet = b_.Receive();
  ASSERT_TRUE(packet.ok() && packet->has_value());
  ASSERT_EQ((*packet)->fds.size(), 2u);
  struct stat ours, theirs;
  ASSERT_EQ(fstat(held->get(), &ours), 0) << "it was closed";
  ASSERT_EQ(fstat((*packet)->fds[1].get(), &theirs), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(ChannelTest, BoundsHold) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      a_.Send(Text(std::string(kMaxMessageBytes + 1, 'x')))));
  Packet packet = Text("x");
  for (size_t i = 0; i < kMaxMessageFds; ++i) packet.fds.emplace_back(dup(0));
  EXPECT_TRUE(absl::IsInvalidArgument(a_.Send(std::move(packet))));
}

TEST_F(ChannelTest, WhatDoesNotFitWaitsAndNothingIsLost) {
  constexpr int kCount = 2000;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(a_.Send(Text(std::to_string(i) + std::string(1000, ' '))).ok());
  }
  EXPECT_TRUE(a_.wants_write());
  for (int i = 0; i < kCount; ++i) {
    std::string text = Receive(b_);
    if (text == "none") {
      ASSERT_TRUE(a_.Flush().ok());
      text = Receive(b_);
    }
    ASSERT_EQ(std::stoi(text), i);
  }
  EXPECT_FALSE(a_.wants_write());
}

TEST_F(ChannelTest, WhoNeverReadsIsGivenUp) {
  absl::Status status;
  for (int i = 0; i < 100'000 && status.ok(); ++i) status = a_.Send(Text("x"));
  EXPECT_TRUE(absl::IsUnavailable(status));
}

TEST_F(ChannelTest, EndIsTold) {
  ASSERT_TRUE(a_.Send(Text("last")).ok());
  a_ = Channel(UniqueFd());
  EXPECT_EQ(Receive(b_), "last");
  EXPECT_TRUE(absl::IsUnavailable(b_.Receive().status()));
  EXPECT_TRUE(absl::IsUnavailable(b_.Send(Text("x"))));
}

TEST_F(ChannelTest, WhatNoChannelSendsIsRefused) {
  const auto send = [&](const std::string& bytes) {
    ASSERT_EQ(::send(a_.fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(absl::IsInvalidArgument(b_.Receive().status())) << bytes[0];
  };
  send("x");
  send("m");  // a long message without its memfd
  send("mx");
  send("i" + std::string(kMaxInlineBytes + 1, 'x'));
}

TEST_F(ChannelTest, LongMessageThatCouldStillChangeIsRefused) {
  const UniqueFd loose(memfd_create("loose", MFD_CLOEXEC));
  ASSERT_EQ(write(loose.get(), "x", 1), 1);
  char tag = 'm';
  iovec part = {&tag, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = loose.get();
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  ASSERT_EQ(sendmsg(a_.fd(), &message, 0), 1);
  EXPECT_TRUE(absl::IsInvalidArgument(b_.Receive().status()));
}

TEST(SealedMemfdTest, CannotBeChanged) {
  const auto fd = SealedMemfd("test", "content");
  ASSERT_TRUE(fd.ok());
  EXPECT_TRUE(IsSealedMemfd(fd->get()));
  EXPECT_EQ(pwrite(fd->get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(fd->get(), 0), -1);
  EXPECT_EQ(*ReadAll(fd->get(), "memfd", 100), "content");
  EXPECT_FALSE(IsSealedMemfd(0));
}

TEST(BrokerClientTest, LostBrokerIsToldToAllThatWait) {
  auto ends = Channel::Pair();
  int lost = 0;
  BrokerClient client(std::move(ends->first), [&](absl::Status) { ++lost; });
  absl::Status first, second;
  client.Describe([&](auto answer) { first = answer.status(); });
  ends->second.Reset();
  client.ListStarted([&](auto answer) { second = answer.status(); });
  client.OnReadable();
  EXPECT_EQ(lost, 1);
  EXPECT_TRUE(absl::IsUnavailable(first));
  EXPECT_TRUE(absl::IsUnavailable(second));
  absl::Status third;
  client.Describe([&](auto answer) { third = answer.status(); });
  EXPECT_TRUE(absl::IsUnavailable(third));
}

TEST(BrokerClientTest, AnswerNobodyAskedForIsNonsense) {
  auto ends = Channel::Pair();
  absl::Status lost;
  BrokerClient client(std::move(ends->first),
                      [&](absl::Status why) { lost = why; });
  Channel broker(std::move(ends->second));
  broker::Answer answer;
  answer.set_id(99);
  ASSERT_TRUE(broker.Send({answer.SerializeAsString(), {}}).ok());
  client.OnReadable();
  EXPECT_FALSE(lost.ok());
}

}  // namespace
}  // namespace specula::agent
