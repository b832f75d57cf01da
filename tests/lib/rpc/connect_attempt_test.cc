#include "lib/rpc/connect_attempt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "absl/time/clock.h"

namespace specula {
namespace {

// A listener that takes no more connections: what follows is silent.
class Full {
 public:
  Full() {
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof address),
              0);
    EXPECT_EQ(listen(listener_.get(), 0), 0);
    EXPECT_EQ(getsockname(listener_.get(),
                          reinterpret_cast<sockaddr*>(&address), &size),
              0);
    address_ = {"127.0.0.1", ntohs(address.sin_port)};
    // Until one stays silent: how many are taken is the kernel's affair.
    for (int i = 0; i < 10; ++i) {
      auto fd = BeginConnect(address_);
      EXPECT_TRUE(fd.ok()) << fd.status();
      if (!fd.ok()) return;
      others_.push_back(*std::move(fd));
      absl::SleepFor(absl::Milliseconds(20));
      if (StateOfConnect(others_.back().get()) == ConnectState::kSilent) return;
    }
  }
  const HostPort& address() const { return address_; }
  int silent() const { return others_.back().get(); }
  int taken() const { return others_.front().get(); }

 private:
  UniqueFd listener_;
  HostPort address_;
  std::vector<UniqueFd> others_;
};

TEST(ConnectAttemptTest, WhatIsSilentIsListedAndCanBeEnded) {
  const Full full;
  EXPECT_EQ(StateOfConnect(full.taken()), ConnectState::kAnswered);
  ASSERT_EQ(StateOfConnect(full.silent()), ConnectState::kSilent);
  const std::vector<ConnectAttempt> attempts = ListConnectAttempts();
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_EQ(attempts[0].peer, full.address());
  EndConnectAttempt(attempts[0]);
  EXPECT_EQ(StateOfConnect(full.silent()), ConnectState::kFailed);
  EXPECT_EQ(StateOfConnect(full.taken()), ConnectState::kAnswered);
  EXPECT_TRUE(ListConnectAttempts().empty());
}

TEST(ConnectAttemptTest, AnIpv4AddressIsThatOnASocketOfBoth) {
  const Full full;
  const UniqueFd both(socket(
      AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!both.valid()) GTEST_SKIP() << "no IPv6 here";
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(full.address().port);
  const unsigned char mapped[] = {0, 0, 0,    0,    0,   0, 0, 0,
                                  0, 0, 0xff, 0xff, 127, 0, 0, 1};
  std::copy(std::begin(mapped), std::end(mapped), address.sin6_addr.s6_addr);
  EXPECT_EQ(connect(both.get(), reinterpret_cast<sockaddr*>(&address),
                    sizeof address),
            -1);
  const std::vector<ConnectAttempt> attempts = ListConnectAttempts();
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[1].peer, full.address());
}

TEST(ConnectAttemptTest, OnlyAddressesAreTried) {
  EXPECT_TRUE(absl::IsInvalidArgument(BeginConnect({"vm1", 1}).status()));
  const auto refused = BeginConnect({"127.0.0.1", 1});
  if (!refused.ok()) return;  // at once
  for (int i = 0; i < 100; ++i) {
    if (StateOfConnect(refused->get()) != ConnectState::kSilent) break;
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(StateOfConnect(refused->get()), ConnectState::kFailed);
}

}  // namespace
}  // namespace specula
