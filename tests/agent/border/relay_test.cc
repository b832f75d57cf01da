#include "agent/border/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/border/frames.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One end of a connection, that waits.
class End {
 public:
  explicit End(UniqueFd fd) : fd_(std::move(fd)) {
    fcntl(fd_.get(), F_SETFL, 0);
    const timeval limit = {20, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  bool Write(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t put = send(fd_.get(), bytes.data() + sent,
                               bytes.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return false;
      sent += static_cast<size_t>(put);
    }
    return true;
  }
  // Until there are `size` bytes or the end.
  std::string Read(size_t size) {
    std::string bytes;
    char buffer[1 << 16];
    while (bytes.size() < size) {
      const ssize_t got = recv(fd_.get(), buffer,
                               std::min(sizeof buffer, size - bytes.size()), 0);
      if (got <= 0) break;
      bytes.append(buffer, static_cast<size_t>(got));
    }
    return bytes;
  }
  bool Ended() {
    char byte = 0;
    return recv(fd_.get(), &byte, 1, 0) <= 0 && errno != EAGAIN;
  }
  void Shut() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.Reset(); }

 private:
  UniqueFd fd_;
};

class RelayTest : public ::testing::Test {
 protected:
  struct Both {
    End caller;
    End grpc;
  };

  void Begin(const RelayLimits& limits = RelayLimits()) {
    relay_ = std::make_unique<Relay>(
        peers_,
        [this](const Peer& peer, const absl::Status& why) {
          absl::MutexLock lock(&mutex_);
          cuts_.push_back(absl::StrCat(peer.address, ": ", why.message()));
        },
        limits);
    ASSERT_THAT(relay_->Start(), IsOk());
  }
  Both Connect(const std::string& plain = "", FrameLimits frames = {}) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                         ends),
              0);
    auto grpc = relay_->Take(Admitted{
        UniqueFd(ends[0]), nullptr, plain, "",
        std::make_shared<const Peer>(Peer{nullptr, "192.0.2.1:1"}),
        std::make_unique<Places::Place>(places_, "192.0.2.1"), frames});
    EXPECT_THAT(grpc, IsOk());
    return {End(UniqueFd(ends[1])), End(*std::move(grpc))};
  }
  std::vector<std::string> cuts() {
    absl::MutexLock lock(&mutex_);
    return cuts_;
  }
  template <typename Predicate>
  static bool Eventually(Predicate predicate) {
    for (int i = 0; i < 2000; ++i) {
      if (predicate()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  absl::Mutex mutex_;
  std::vector<std::string> cuts_ ABSL_GUARDED_BY(mutex_);
  Peers peers_;
  std::shared_ptr<Places> places_ = std::make_shared<Places>(PlaceLimits{2, 2});
  std::unique_ptr<Relay> relay_;
};

TEST_F(RelayTest, WhatIsSentArrivesBothWaysAndTheEndAfterIt) {
  Begin();
  Both both = Connect(std::string(kPreface));
  EXPECT_EQ(peers_.size(), 1u);
  const std::string request = Frame(1, 4, 1, 60) + Frame(0, 1, 1, 5);
  ASSERT_TRUE(both.caller.Write(request));
  EXPECT_EQ(both.grpc.Read(24 + request.size()),
            absl::StrCat(kPreface, request));
  const std::string answer = Frame(1, 4, 1, 10) + Frame(0, 0, 1, 9000);
  ASSERT_TRUE(both.grpc.Write(answer));
  EXPECT_EQ(both.caller.Read(answer.size()), answer);
  // The caller's end is gRPC's, who still answers.
  both.caller.Shut();
  EXPECT_TRUE(both.grpc.Ended());
  ASSERT_TRUE(both.grpc.Write(answer));
  both.grpc.Close();
  EXPECT_EQ(both.caller.Read(answer.size() + 1), answer);
  EXPECT_TRUE(Eventually([&] { return peers_.size() == 0; }));
  EXPECT_EQ(places_->Look("192.0.2.1"), Places::Free::kYes);
  EXPECT_THAT(cuts(), ElementsAre());
}

TEST_F(RelayTest, AReaderWhoSleepsHoldsUpNobodyAndLosesNothing) {
  Begin();
  Both slow = Connect(std::string(kPreface));
  Both other = Connect(std::string(kPreface));
  // More than all sockets hold.
  const std::string much = Frame(0, 0, 1, 16'000'000 >> 1);
  std::thread grpc([&] {
    EXPECT_TRUE(slow.grpc.Write(much));
    slow.grpc.Close();
  });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(other.grpc.Write(Frame(6, 0, 0, 8)));
    EXPECT_EQ(other.caller.Read(17), Frame(6, 0, 0, 8));
  }
  EXPECT_EQ(slow.caller.Read(much.size() + 1), much);
  grpc.join();
}

TEST_F(RelayTest, AFloodIsSlowedAndThenCutAndItsCallerTold) {
  Begin({.longest_wait = absl::Milliseconds(300)});
  FrameLimits frames;
  frames.resets = {10, 20};
  Both flood = Connect(std::string(kPreface), frames);
  Both other = Connect(std::string(kPreface));
  std::string resets;
  for (int i = 0; i < 1000; ++i) resets += Frame(3, 0, 1, 4);
  ASSERT_TRUE(flood.caller.Write(resets));
  // The burst, and what the rate gives in the time that it may wait.
  const std::string passed = flood.grpc.Read(1 << 20);
  EXPECT_GE(passed.size(), 24u + 20 * 13);
  EXPECT_LT(passed.size(), 24u + 100 * 13);
  EXPECT_THAT(cuts(),
              ElementsAre(HasSubstr("192.0.2.1:1: it goes on sending")));
  // A new connection of the same caller has no new allowance.
  Both again = Connect(std::string(kPreface), frames);
  ASSERT_TRUE(again.caller.Write(resets));
  EXPECT_LT(again.grpc.Read(1 << 20).size(), 24u + 40 * 13);
}

TEST_F(RelayTest, WhatWaitsForItsRateArrivesInTheEnd) {
  Begin();
  FrameLimits frames;
  frames.pings = {200, 5};
  Both both = Connect(std::string(kPreface), frames);
  std::string pings;
  for (int i = 0; i < 100; ++i) pings += Frame(6, 0, 0, 8);
  ASSERT_TRUE(both.caller.Write(pings));
  both.caller.Shut();
  EXPECT_EQ(both.grpc.Read(1 << 20), absl::StrCat(kPreface, pings));
  EXPECT_THAT(cuts(), ElementsAre());
}

TEST_F(RelayTest, CallsOfOneCallerAreCountedOverItsConnections) {
  Begin({.streams_per_caller = 30});
  std::string calls;
  for (uint32_t stream = 1; stream < 40; stream += 2)
    calls += Frame(1, 4, stream, 30);
  Both first = Connect(std::string(kPreface));
  ASSERT_TRUE(first.caller.Write(calls));
  first.grpc.Read(24 + calls.size());
  Both second = Connect(std::string(kPreface));
  ASSERT_TRUE(second.caller.Write(calls));
  EXPECT_TRUE(second.caller.Ended());
  EXPECT_THAT(cuts(), ElementsAre(HasSubstr("more than 30 calls open")));
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(RelayTest, OfUnfinishedRequestsTheLargestIsCut) {
  Begin({.unfinished_bytes = 1'000'000});
  Both large = Connect(std::string(kPreface));
  Both small = Connect(std::string(kPreface));
  const std::string most = Frame(1, 4, 1, 30) + Frame(0, 0, 1, 900'000);
  ASSERT_TRUE(large.caller.Write(most));
  EXPECT_EQ(large.grpc.Read(24 + most.size()).size(), 24 + most.size());
  const std::string little = Frame(1, 4, 1, 30) + Frame(0, 0, 1, 150'000);
  ASSERT_TRUE(small.caller.Write(little));
  EXPECT_TRUE(large.caller.Ended());
  EXPECT_EQ(small.grpc.Read(24 + little.size()).size(), 24 + little.size());
  EXPECT_THAT(cuts(), ElementsAre(HasSubstr("without an end")));
}

TEST_F(RelayTest, AConnectionIsCutByItsName) {
  Begin();
  Both both = Connect(std::string(kPreface));
  std::string its_name;
  peers_.ForEach(
      [&](const std::string& name, const Peer&) { its_name = name; });
  relay_->Cut("another", absl::PermissionDeniedError("no"),
              absl::ZeroDuration());
  relay_->Cut(its_name, absl::PermissionDeniedError("revoked"),
              absl::Milliseconds(50));
  both.grpc.Read(24);
  EXPECT_TRUE(both.grpc.Ended());
  EXPECT_TRUE(both.caller.Ended());
  EXPECT_THAT(cuts(), ElementsAre("192.0.2.1:1: revoked"));
}

TEST_F(RelayTest, StopSendsTheLastWords) {
  Begin();
  Both both = Connect(std::string(kPreface));
  const std::string much = Frame(0, 0, 1, 1'000'000);
  std::thread caller([&] { EXPECT_EQ(both.caller.Read(1 << 24), much); });
  ASSERT_TRUE(both.grpc.Write(much));
  both.grpc.Close();
  relay_->Stop(absl::Seconds(20));
  caller.join();
  EXPECT_EQ(peers_.size(), 0u);
}

}  // namespace
}  // namespace specula::agent
