// Strangers on the network: more connections than there are descriptors.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

UniqueFd ConnectFrom(const std::string& source, int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, source.c_str(), &address.sin_addr);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) !=
      0)
    return {};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof address) != 0)
    return {};
  return fd;
}

// Whether the agent has closed a connection.
bool IsClosed(const UniqueFd& fd) {
  char byte = 0;
  const ssize_t got = recv(fd.get(), &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

int CountDescriptors(pid_t pid) {
  const std::string listing =
      RunProgram({"sh", "-c", absl::StrCat("ls /proc/", pid, "/fd | wc -l")})
          .out;
  return std::stoi(listing);
}

TEST(FloodTest, IdleConnectionsBeyondTheDescriptorLimitDoNotDeafenTheAgent) {
  const Pki pki;
  AgentProcess agent(pki,
                     {.arguments = {"--max-connections", "4096",
                                    "--max-connections-per-source", "4096"},
                      .open_files = 1024});
  ASSERT_TRUE(CallCpu(agent.Connect(pki.Load("viewer"))).ok());
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 1300; ++i)
    idle.push_back(ConnectFrom("127.0.0.1", agent.address().port));
  // The agent has taken in or turned away all of them.
  absl::SleepFor(absl::Milliseconds(500));
  idle.clear();
  const absl::Time released = absl::Now();
  // "Served within 3 s": one call with that deadline, after which it counts as
  // deaf.
  absl::Status status =
      CallCpu(agent.Connect(pki.Load("viewer")), absl::Seconds(3));
  EXPECT_TRUE(status.ok()) << status << "\n" << agent.Log();
  RecordProperty(
      "served_after_ms",
      static_cast<int>(absl::ToInt64Milliseconds(absl::Now() - released)));
  EXPECT_THAT(agent.Log(), ::testing::HasSubstr("too many connections"));
}

TEST(FloodTest, OneSourceCannotShutOutAnother) {
  const Pki pki;
  AgentProcess agent(pki,
                     {.arguments = {"--max-connections", "200",
                                    "--max-connections-per-source", "100"}});
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 300; ++i)
    idle.push_back(ConnectFrom("127.0.0.2", agent.address().port));
  // The caller comes from 127.0.0.1, and the flood is still there.
  absl::Status status = CallCpu(agent.Connect(pki.Load("viewer")));
  EXPECT_TRUE(status.ok()) << status << "\n" << agent.Log();
  EXPECT_TRUE(Eventually([&] {
    return std::count_if(idle.begin(), idle.end(), IsClosed) == 200;
  }));
}

TEST(FloodTest, SilentConnectionIsClosedAtTheHandshakeDeadline) {
  const Pki pki;
  AgentProcess agent(pki, {.arguments = {"--handshake-timeout", "0.5"}});
  const UniqueFd silent = ConnectFrom("127.0.0.1", agent.address().port);
  EXPECT_FALSE(IsClosed(silent));
  EXPECT_TRUE(Eventually([&] { return IsClosed(silent); }));
}

TEST(FloodTest, EndedConnectionsGiveTheirDescriptorsBack) {
  const Pki pki;
  AgentProcess agent(pki, {.arguments = {"--handshake-timeout", "0.5"}});
  ASSERT_TRUE(CallCpu(agent.Connect(pki.Load("viewer"))).ok());
  absl::SleepFor(absl::Milliseconds(300));
  const int before = CountDescriptors(agent.front_pid());
  {
    std::vector<UniqueFd> idle;
    for (int i = 0; i < 100; ++i)
      idle.push_back(ConnectFrom("127.0.0.1", agent.address().port));
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(CallCpu(agent.Connect(pki.Load("viewer"))).ok());
    }
  }
  EXPECT_TRUE(Eventually([&] {
    return CountDescriptors(agent.front_pid()) <= before;
  })) << before
      << " before, now " << CountDescriptors(agent.front_pid());
}

TEST(FloodTest, WhatIsNoTlsIsClosed) {
  const Pki pki;
  AgentProcess agent(pki, {.arguments = {"--handshake-timeout", "60"}});
  const UniqueFd flood = ConnectFrom("127.0.0.1", agent.address().port);
  // A TLS record of the greatest length that never ends.
  std::string bytes("\x16\x03\x01\x40\x00", 5);
  bytes.resize(1 << 16, 'x');
  int64_t sent = 0;
  EXPECT_TRUE(Eventually([&] {
    const ssize_t got = send(flood.get(), bytes.data(), bytes.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got > 0) sent += got;
    return got < 0 && errno != EAGAIN;
  })) << sent;
  EXPECT_TRUE(CallCpu(agent.Connect(pki.Load("viewer"))).ok());
}

// A budget of bytes had cut such a connection, with all that ran on it.
TEST(FloodTest, MuchStandardInputOnOneConnectionIsNoFlood) {
  const Pki pki;
  AgentProcess agent(pki);
  auto stub = v1::Specula::NewStub(agent.Connect(pki.Load("operator")));
  const std::string input(900'000, 'i');
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < 3; ++call) {
        grpc::ClientContext context;
        context.set_deadline(
            absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
        v1::ExecRequest request;
        request.mutable_command()->set_shell("wc -c");
        request.mutable_command()->set_stdin(input);
        auto exec = stub->Exec(&context, request);
        std::string out;
        v1::ExecResponse response;
        while (exec->Read(&response)) out += response.stdout();
        const grpc::Status status = exec->Finish();
        EXPECT_TRUE(status.ok()) << status.error_message();
        EXPECT_EQ(out, "900000\n");
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace specula::testing
