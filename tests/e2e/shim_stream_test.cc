// EXEC and TAIL through the shim: what they say, beside what they run, how they
// are paused, and how they end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/e2e/fake_agent.h"
#include "tests/e2e/shim_harness.h"

namespace specula::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ShimStreamTest : public ::testing::Test {
 protected:
  LegacyClient Operator() { return LegacyClient(shim_.port(), "secret"); }

  // What one EXEC says.
  static StreamResult Exec(LegacyClient& client, const std::string& line) {
    client.Send(Frame("EXEC " + line));
    auto streams = ReadStreams(client, 1);
    return streams.empty() ? StreamResult{} : streams.begin()->second;
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
  ShimProcess shim_{pki_, agent_.host()};
};

TEST_F(ShimStreamTest, ExecGivesBothOutputsInTheirOrderAndItsExitCode) {
  LegacyClient client = Operator();
  const StreamResult both =
      Exec(client, "for i in 1 2 3; do echo o$i; echo e$i >&2; done; exit 7");
  EXPECT_EQ(both.output, "o1\ne1\no2\ne2\no3\ne3\n");
  EXPECT_EQ(both.end, "7");
  EXPECT_EQ(Exec(client, "kill -9 $$").end, "137");
  EXPECT_EQ(Exec(client, "kill -TERM $$").end, "143");
  EXPECT_EQ(Exec(client, "/no/such/program").end, "127");
  EXPECT_EQ(Exec(client, "no-such-program-at-all").end, "127");
  EXPECT_EQ(Exec(client, "true").output, "");
  // Any byte may be in a chunk.
  EXPECT_EQ(Exec(client, "printf 'OUT_END 1 0\\n\\000\\377 \\n'").output,
            std::string("OUT_END 1 0\n\0\xff \n", 16));
  EXPECT_EQ(Exec(client, "echo one\necho two").output, "one\ntwo\n");
}

TEST_F(ShimStreamTest, SidCountsFromOneInEachConnection) {
  for (int round = 0; round < 2; ++round) {
    LegacyClient client = Operator();
    EXPECT_EQ(client.Ask("EXEC true"), "OUT_END 1 0");
    EXPECT_EQ(client.Ask("TAIL /no/such/file"), "ERR tail_failed");
    EXPECT_EQ(client.Ask("EXEC true"), "OUT_END 3 0");
  }
}

TEST_F(ShimStreamTest, StreamsRunBesideEachOtherAndBesideOtherCommands) {
  LegacyClient client = Operator();
  client.Send(Frames({"EXEC while :; do echo a; sleep 0.05; done",
                      "EXEC while :; do echo b; sleep 0.05; done"}));
  std::set<std::string> seen;
  int turns = 0;
  std::string last;
  while (turns < 6) {
    const std::string reply = client.Next();
    ASSERT_THAT(reply, StartsWith("OUT "));
    turns += reply != last ? 1 : 0;
    last = reply;
  }
  client.Send(Frames({"PING", "STOP 1", "STOP 2"}));
  std::vector<std::string> others;
  auto ends = ReadStreams(client, 2, &others);
  EXPECT_THAT(others, ElementsAre("PONG", "STOP_OK", "STOP_OK"));
  EXPECT_EQ(ends["1"].end, "143");
  EXPECT_EQ(ends["2"].end, "143");
  EXPECT_EQ(client.Ask("STOP 1"), "ERR stop_failed");
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

TEST_F(ShimStreamTest, StopEndsTheTree) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC setsid sleep 86421 & sleep 86421"));
  ASSERT_TRUE(Eventually([] { return Runs("sleep 86421"); }));
  EXPECT_EQ(client.Ask("STOP 1"), "STOP_OK");
  EXPECT_EQ(client.Next(), "OUT_END 1 143");
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86421"); }));
}

TEST_F(ShimStreamTest, SeventeenthStreamIsRefused) {
  LegacyClient client = Operator();
  for (int i = 0; i < 16; ++i) client.Send(Frame("EXEC sleep 86422"));
  EXPECT_EQ(client.Ask("EXEC true"), "ERR busy");
  EXPECT_EQ(client.Ask("TAIL /etc/passwd"), "ERR busy");
  EXPECT_EQ(client.Ask("PING"), "PONG");
  EXPECT_EQ(client.Ask("STOP 16"), "STOP_OK");
  EXPECT_EQ(client.Next(), "OUT_END 16 143");
  EXPECT_EQ(client.Ask("EXEC true"), "OUT_END 19 0");
  // Another connection has its own.
  LegacyClient other = Operator();
  EXPECT_EQ(other.Ask("EXEC true"), "OUT_END 1 0");
  client.Vanish();
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86422"); }));
}

TEST_F(ShimStreamTest, TailGivesTheLastTenLinesAndFollows) {
  const std::string path = pki_.File("a log with spaces");
  std::ofstream file(path);
  for (int i = 1; i <= 15; ++i) file << "line " << i << std::endl;
  LegacyClient client = Operator();
  client.Send(Frame("TAIL " + path));
  std::string text;
  auto read_to = [&](const std::string& end) {
    while (text.size() < end.size() ||
           text.compare(text.size() - end.size(), end.size(), end) != 0) {
      std::string reply = client.Next();
      absl::string_view chunk = reply;
      ASSERT_TRUE(absl::ConsumePrefix(&chunk, "OUT 1 ")) << reply;
      absl::StrAppend(&text, chunk);
    }
  };
  read_to("line 15\n");
  EXPECT_THAT(text, StartsWith("line 6\n"));
  file << "line 16" << std::endl;
  read_to("line 16\n");
  EXPECT_EQ(client.Ask("PING"), "PONG");
  // As logrotate does it.
  rename(path.c_str(), (path + ".1").c_str());
  std::ofstream(path) << "after rotation" << std::endl;
  read_to("after rotation\n");
  EXPECT_EQ(client.Ask("STOP 1"), "STOP_OK");
  EXPECT_EQ(client.Next(), "OUT_END 1 143");
}

TEST_F(ShimStreamTest, TailOfASilentFileHoldsNothingUp) {
  std::ofstream(pki_.File("empty")).flush();
  LegacyClient client = Operator();
  client.Send(Frames({"TAIL " + pki_.File("empty"), "PING"}));
  EXPECT_EQ(client.Next(), "PONG");
  std::ofstream(pki_.File("empty")) << "now\n";
  EXPECT_EQ(client.Next(), "OUT 1 now\n");
}

TEST_F(ShimStreamTest, WhatCannotBeTailedIsSaid) {
  LegacyClient client = Operator();
  for (const char* path :
       {"/no/such/file", "/tmp", "relative", "/dev/null", "/etc/passwd/x"}) {
    EXPECT_EQ(client.Ask(absl::StrCat("TAIL ", path)), "ERR tail_failed")
        << path;
  }
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

// --- Vanished peers

TEST_F(ShimStreamTest, VanishedPeerEndsItsStreamsAndTheirTrees) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC setsid sleep 86423 & sleep 86423"));
  ASSERT_TRUE(Eventually([] { return Runs("sleep 86423"); }));
  client.Vanish();
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86423"); }));
}

TEST_F(ShimStreamTest, VanishedPeerEndsASilentTail) {
  std::ofstream(pki_.File("empty")).flush();
  LegacyClient warm = Operator();  // and with it both ways to the agent
  EXPECT_EQ(Exec(warm, "true").end, "0");
  const int before = CountDescriptors(shim_.process().pid());
  LegacyClient client = Operator();
  client.Send(Frames({"TAIL " + pki_.File("empty"), "PING"}));
  EXPECT_EQ(client.Next(), "PONG");
  client.HalfClose();
  absl::SleepFor(absl::Seconds(2));
  EXPECT_GT(CountDescriptors(shim_.process().pid()), before);
  client.Vanish();
  EXPECT_TRUE(Eventually(
      [&] { return CountDescriptors(shim_.process().pid()) <= before; }));
}

TEST_F(ShimStreamTest, HalfCloseIsNotVanishing) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC sleep 3; echo still here"));
  client.HalfClose();
  EXPECT_EQ(client.Next(), "OUT 1 still here\n");
  EXPECT_EQ(client.Next(), "OUT_END 1 0");
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimStreamTest, ResetEndsTheStreams) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC sleep 86424"));
  ASSERT_TRUE(Eventually([] { return Runs("sleep 86424"); }));
  const linger at_once{1, 0};
  setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  client.Vanish();
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86424"); }));
}

// --- Much

// A program of this size, each of whose lines is different.
constexpr int64_t kBulkBytes = int64_t{200} << 20;
constexpr int64_t kLineBytes = 16;
constexpr char kBulk[] =
    "seq -f '%015.0f' 1 13107200";  // 13,107,200 lines of 16 bytes

// The number of bytes up to the first that is not as it should be.
int64_t ReadBulk(LegacyClient& client, std::string& end) {
  int64_t taken = 0;
  char expected[32];
  std::string rest;
  while (true) {
    const std::string reply = client.Next();
    absl::string_view chunk = reply;
    if (absl::ConsumePrefix(&chunk, "OUT_END 1 ")) {
      end = std::string(chunk);
      return taken;
    }
    if (!absl::ConsumePrefix(&chunk, "OUT 1 ")) {
      end = reply;
      return taken;
    }
    absl::StrAppend(&rest, chunk);
    size_t at = 0;
    for (; at + kLineBytes <= rest.size(); at += kLineBytes) {
      snprintf(expected, sizeof expected, "%015lld\n",
               static_cast<long long>(taken / kLineBytes + 1));
      if (rest.compare(at, kLineBytes, expected) != 0) {
        end = "<wrong bytes>";
        return taken;
      }
      taken += kLineBytes;
    }
    rest.erase(0, at);
  }
}

TEST_F(ShimStreamTest, TwoHundredMebibytesAreByteExact) {
  LegacyClient client = Operator();
  client.Send(Frame(absl::StrCat("EXEC ", kBulk)));
  std::string end;
  EXPECT_EQ(ReadBulk(client, end), kBulkBytes);
  EXPECT_EQ(end, "0");
}

TEST_F(ShimStreamTest, SlowReaderIsPausedAndNobodyElse) {
  LegacyClient slow = Operator();
  LegacyClient other = Operator();
  EXPECT_EQ(Exec(other, "true").end, "0");
  const int64_t before = ResidentKilobytes(shim_.process().pid());
  slow.Send(Frame(absl::StrCat("EXEC ", kBulk)));
  // It does not read; what it has not taken stays at the agent's end.
  absl::SleepFor(absl::Seconds(1));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(other.Ask("PING"), "PONG");
    ASSERT_EQ(Exec(other, "head -c 100000 /dev/zero").output.size(), 100000u);
    ASSERT_THAT(other.Ask("MEM"), StartsWith("MEM "));
  }
  EXPECT_LT(ResidentKilobytes(shim_.process().pid()) - before, 32 << 10);
  EXPECT_TRUE(Runs("seq -f %015.0f 1 13107200"));
  std::string end;
  EXPECT_EQ(ReadBulk(slow, end), kBulkBytes);
  EXPECT_EQ(end, "0");
}

TEST_F(ShimStreamTest, OneThatNeverReadsItsAnswersIsBounded) {
  const int64_t before = ResidentKilobytes(shim_.process().pid());
  LegacyClient deaf = Operator();
  std::string many;
  for (int i = 0; i < 10000; ++i) many += Frame("PING");
  // Until nothing more is taken, or 60 MB were.
  int64_t sent = 0;
  while (sent < 60'000'000) {
    const ssize_t got =
        send(deaf.fd(), many.data(), many.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got > 0) sent += got;
    if (got < 0) {
      absl::SleepFor(absl::Milliseconds(300));
      if (send(deaf.fd(), "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
    }
  }
  EXPECT_LT(sent, 60'000'000);
  EXPECT_LT(ResidentKilobytes(shim_.process().pid()) - before, 8 << 10);
  EXPECT_EQ(Operator().Ask("PING"), "PONG");
}

TEST_F(ShimStreamTest, SummariesThatStandBehindALongOneAreBounded) {
  const ShimProcess shim(pki_, agent_.host(),
                         {.listen = "127.0.0.1:0,exec-reply=summary"});
  LegacyClient client(shim.port(), "secret");
  for (int i = 0; i < 16; ++i) client.Send(Frame("EXEC sleep 86429"));
  std::string many;
  for (int i = 0; i < 10000; ++i) many += Frame("EXEC x");
  // All of these are refused, and none may say so before the first has ended.
  int64_t sent = 0;
  while (sent < 24'000'000) {
    const ssize_t got = send(client.fd(), many.data(), many.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got > 0) sent += got;
    if (got < 0) {
      absl::SleepFor(absl::Milliseconds(500));
      if (send(client.fd(), "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
    }
  }
  EXPECT_LT(sent, 24'000'000);
  EXPECT_EQ(LegacyClient(shim.port(), "secret").Ask("PING"), "PONG");
  client.Vanish();
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86429"); }));
}

// --- Each pays for itself

TEST_F(ShimStreamTest, LongExecsOfOneDoNotHoldUpAnother) {
  // More than the agent takes in a minute.
  const std::string line =
      absl::StrCat("EXEC sleep 86426 #", std::string(120'000, 'x'));
  std::vector<std::unique_ptr<LegacyClient>> greedy;
  for (int i = 0; i < 60; ++i) {
    greedy.push_back(
        std::make_unique<LegacyClient>(shim_.port(), "secret", "127.0.0.66"));
    for (int j = 0; j < 2; ++j) greedy.back()->Send(Frame(line));
  }
  LegacyClient other = Operator();
  absl::Duration slowest = absl::ZeroDuration();
  for (int i = 0; i < 10; ++i) {
    for (const char* request : {"STATUS", "MEM", "START true", "EXEC true"}) {
      const absl::Time start = absl::Now();
      other.Send(Frame(request));
      // Each of theirs takes 0.6 s of the way to the agent.
      ASSERT_NE(other.Next(absl::Seconds(10)), kSilent) << request;
      slowest = std::max(slowest, absl::Now() - start);
    }
  }
  RecordProperty("slowest_us",
                 static_cast<int>(absl::ToInt64Microseconds(slowest)));
  // What is beyond the greedy one's share is said at once.
  EXPECT_EQ(greedy.back()->Next(), "ERR busy");
  greedy.clear();
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 86426"); }));
}

TEST_F(ShimStreamTest, StreamsAreDividedAmongControllers) {
  std::vector<std::unique_ptr<LegacyClient>> greedy;
  int busy = 0;
  for (int i = 0; i < 48; ++i) {
    if (i % 16 == 0) {
      greedy.push_back(
          std::make_unique<LegacyClient>(shim_.port(), "secret", "127.0.0.66"));
    }
    greedy.back()->Send(Frame("EXEC echo; sleep 86427"));
    const std::string reply = greedy.back()->Next();
    busy += reply == "ERR busy" ? 1 : 0;
  }
  // Half of 64.
  EXPECT_EQ(busy, 16);
  LegacyClient other = Operator();
  EXPECT_EQ(other.Ask("EXEC true"), "OUT_END 1 0");
  EXPECT_THAT(other.Ask("START true; true"), StartsWith("START_OK"));
  // What has ended may be had again.
  greedy.clear();
  LegacyClient again(shim_.port(), "secret", "127.0.0.66");
  EXPECT_TRUE(Eventually(
      [&] { return absl::StartsWith(again.Ask("EXEC true"), "OUT_END"); }));
}

TEST_F(ShimStreamTest, SleepingReadersAreBoundedAndOthersServed) {
  LegacyClient other = Operator();
  EXPECT_EQ(Exec(other, "true").end, "0");
  EXPECT_THAT(other.Ask("MEM"), StartsWith("MEM "));
  const int64_t before = ResidentKilobytes(shim_.process().pid());
  std::vector<std::unique_ptr<LegacyClient>> asleep;
  // What gRPC takes of each before it is read is the window of the channel, at
  // most 2 MiB: see clients/cpp/channel.cc.
  for (int i = 0; i < 20; ++i) {
    asleep.push_back(
        std::make_unique<LegacyClient>(shim_.port(), "secret", "127.0.0.66"));
    asleep.back()->Send(Frame("EXEC yes 86428"));
  }
  int64_t most = 0;
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(other.Ask("PING"), "PONG");
    ASSERT_THAT(other.Ask("MEM"), StartsWith("MEM "));
    ASSERT_EQ(Exec(other, "head -c 100000 /dev/zero").output.size(), 100000u);
    most = std::max(most, ResidentKilobytes(shim_.process().pid()) - before);
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_LT(most, 64 << 10);
  RecordProperty("grown_kib", static_cast<int>(most));
  asleep.clear();
  EXPECT_TRUE(Eventually([] { return !Runs("yes 86428"); }));
  EXPECT_TRUE(Eventually([&] {
    return ResidentKilobytes(shim_.process().pid()) - before < 16 << 10;
  })) << ResidentKilobytes(shim_.process().pid()) - before;
}

// --- Agents that go away

TEST_F(ShimStreamTest, LostAgentIsNeverASuccess) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC echo $$; exec sleep 86425"));
  const std::string begun = client.Next();
  absl::string_view said = begun;
  pid_t sleeper = 0;
  ASSERT_TRUE(absl::ConsumePrefix(&said, "OUT 1 ") &&
              absl::SimpleAtoi(said, &sleeper));
  // With the broker nobody is left to end it.
  const auto end = absl::MakeCleanup([=] { kill(sleeper, SIGKILL); });
  agent_.process().Signal(SIGKILL);
  kill(agent_.front_pid(), SIGKILL);
  EXPECT_EQ(client.Next(), "OUT_END 1 255");
  EXPECT_EQ(client.Ask("STATUS"), "ERR unavailable");
  EXPECT_EQ(client.Ask("PING"), "ERR unavailable");
  EXPECT_EQ(client.Ask("EXEC true"), "ERR unavailable");
  EXPECT_EQ(client.Ask("TAIL /etc/passwd"), "ERR unavailable");
  EXPECT_EQ(client.Ask("START true"), "ERR unavailable");
  EXPECT_EQ(client.Ask("KILL 4194304"), "ERR unavailable");
  EXPECT_EQ(client.Ask("BYE"), "OK bye");
}

TEST_F(ShimStreamTest, AgentThatComesBackIsUsedAgain) {
  LegacyClient client = Operator();
  EXPECT_EQ(client.Ask("PING"), "PONG");
  agent_.process().Signal(SIGTERM);
  agent_.process().Wait();
  EXPECT_EQ(client.Ask("STATUS"), "ERR unavailable");
  const AgentProcess again(
      pki_, {.arguments = {"--listen", agent_.host(), "--state-dir",
                           pki_.File("state2")}});
  EXPECT_TRUE(Eventually([&] { return client.Ask("PING") == "PONG"; }));
  EXPECT_THAT(client.Ask("MEM"), StartsWith("MEM "));
  EXPECT_TRUE(
      Eventually([&] { return client.Ask("EXEC true") != "ERR unavailable"; }));
}

TEST(ShimFakeAgentTest, ExecWithoutItsEndIsNoSuccess) {
  const Pki pki;
  FakeAgent agent(pki);
  agent.on_exec = [](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    script.Stdout("half");
    return grpc::Status::OK;  // and never `exited`
  };
  const ShimProcess shim(pki, agent.host());
  LegacyClient client(shim.port(), "secret");
  client.Send(Frame("EXEC x"));
  EXPECT_EQ(client.Next(), "OUT 1 half");
  EXPECT_EQ(client.Next(), "OUT_END 1 255");
}

TEST(ShimFakeAgentTest, RefusalsHaveTheirWords) {
  const Pki pki;
  FakeAgent agent(pki);
  grpc::StatusCode code = grpc::StatusCode::OK;
  auto refuse = [&code](auto&&...) { return grpc::Status(code, "no"); };
  agent.on_exec = refuse;
  agent.on_start = refuse;
  agent.on_kill = refuse;
  agent.on_tail = refuse;
  const ShimProcess shim(pki, agent.host());
  LegacyClient client(shim.port(), "secret");
  const struct {
    grpc::StatusCode code;
    const char *exec, *start, *kill, *tail;
  } rows[] = {
      {grpc::StatusCode::UNAVAILABLE, "unavailable", "unavailable",
       "unavailable", "unavailable"},
      {grpc::StatusCode::RESOURCE_EXHAUSTED, "busy", "busy", "busy", "busy"},
      {grpc::StatusCode::PERMISSION_DENIED, "denied", "start_failed",
       "kill_failed", "tail_failed"},
      {grpc::StatusCode::NOT_FOUND, "exec_failed", "start_failed",
       "kill_failed", "tail_failed"},
      {grpc::StatusCode::INTERNAL, "exec_failed", "start_failed", "kill_failed",
       "tail_failed"},
  };
  for (const auto& row : rows) {
    code = row.code;
    EXPECT_EQ(client.Ask("EXEC x"), absl::StrCat("ERR ", row.exec));
    EXPECT_EQ(client.Ask("START x"), absl::StrCat("ERR ", row.start));
    EXPECT_EQ(client.Ask("KILL 42"), absl::StrCat("ERR ", row.kill));
    EXPECT_EQ(client.Ask("TAIL /x"), absl::StrCat("ERR ", row.tail));
    EXPECT_EQ(client.Ask("PING"), "PONG");
  }
}

}  // namespace
}  // namespace specula::testing
