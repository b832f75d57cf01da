// Who gets into the shim and who does not: tokens, floods, TLS, its files, and
// how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/fake_agent.h"
#include "tests/e2e/shim_harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kAttacker[] = "127.0.0.66";

bool IsClosed(const UniqueFd& fd) {
  char byte = 0;
  const ssize_t got = recv(fd.get(), &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

class ShimGuardTest : public ::testing::Test {
 protected:
  // Served from its own address, within 1 s as the bar has it.
  static void ExpectServed(const ShimProcess& shim,
                           const std::string& source = "127.0.0.1") {
    const absl::Time start = absl::Now();
    LegacyClient client(shim.port(), "secret", source);
    EXPECT_EQ(client.Ask("PING"), "PONG");
    const absl::Duration took = absl::Now() - start;
    EXPECT_LT(took, absl::Seconds(1));
    RecordProperty("served_after_us",
                   static_cast<int>(absl::ToInt64Microseconds(took)));
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
};

// --- Floods

TEST_F(ShimGuardTest, FiveHundredSilentOnesKeepNobodyOut) {
  const ShimProcess shim(pki_, agent_.host());
  ExpectServed(shim);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 500; ++i) {
    silent.push_back(ConnectTo(shim.port(), kAttacker));
  }
  ExpectServed(shim);
  // Those beyond the cap of a source go at once, the others when their time to
  // AUTH is over.
  EXPECT_TRUE(Eventually([&] {
    return std::count_if(silent.begin(), silent.end(), IsClosed) == 500;
  }));
  ExpectServed(shim, kAttacker);
}

TEST_F(ShimGuardTest, TimeToAuthIsAbsolute) {
  const ShimProcess shim(pki_, agent_.host(),
                         {.arguments = {"--auth-timeout", "1"}});
  LegacyClient slow(shim.port());
  const absl::Time start = absl::Now();
  // A byte at a time, never silent for long.
  const std::string auth = Frame("AUTH secret");
  for (size_t i = 0; i < auth.size(); ++i) {
    slow.Send(auth.substr(i, 1));
    absl::SleepFor(absl::Milliseconds(200));
  }
  EXPECT_THAT(slow.Next(), ::testing::AnyOf(kEnd, kReset));
  EXPECT_GE(absl::Now() - start, absl::Seconds(1));
  // Whoever is in stays in.
  LegacyClient client(shim.port(), "secret");
  absl::SleepFor(absl::Seconds(1.5));
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

TEST_F(ShimGuardTest, TenThousandWrongTokensChangeNothingForOthers) {
  ShimProcess shim(pki_, agent_.host());
  LegacyClient before(shim.port(), "secret");
  LegacyClient streaming(shim.port(), "secret");
  streaming.Send(Frame("EXEC while :; do echo x; sleep 0.01; done"));
  const int64_t resident = ResidentKilobytes(shim.process().pid());
  std::vector<UniqueFd> open;
  absl::Duration slowest = absl::ZeroDuration();
  for (int i = 0; i < 10000; ++i) {
    UniqueFd fd = ConnectTo(shim.port(), kAttacker);
    const std::string guess = Frame(absl::StrCat("AUTH guess", i));
    send(fd.get(), guess.data(), guess.size(), MSG_NOSIGNAL);
    open.push_back(std::move(fd));
    if (open.size() > 200) open.erase(open.begin());
    if (i % 100 != 0) continue;
    const absl::Time start = absl::Now();
    ASSERT_EQ(before.Ask("PING"), "PONG");
    ASSERT_EQ(LegacyClient(shim.port(), "secret").Ask("PING"), "PONG");
    ASSERT_THAT(streaming.Next(), StartsWith("OUT 1 "));
    slowest = std::max(slowest, absl::Now() - start);
  }
  EXPECT_LT(slowest, absl::Seconds(1));
  RecordProperty("slowest_us",
                 static_cast<int>(absl::ToInt64Microseconds(slowest)));
  // The right token is let in from there as well, and at once.
  ExpectServed(shim, kAttacker);
  EXPECT_LT(ResidentKilobytes(shim.process().pid()) - resident, 16 << 10);
  EXPECT_THAT(shim.Log(), HasSubstr("a token was refused"));
  EXPECT_THAT(shim.Log(), Not(HasSubstr("guess")));
}

TEST_F(ShimGuardTest, FailuresOfOneAddressAreSlowed) {
  const ShimProcess shim(pki_, agent_.host());
  const absl::Time start = absl::Now();
  for (int i = 0; i < 8; ++i) {
    LegacyClient client(shim.port(), "", kAttacker);
    EXPECT_EQ(client.Ask("AUTH wrong"), "ERR unauthorized");
    EXPECT_EQ(client.Next(), kEnd);
  }
  // 0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6 s
  EXPECT_GE(absl::Now() - start, absl::Seconds(3));
  ExpectServed(shim, kAttacker);
  const absl::Time other = absl::Now();
  EXPECT_EQ(LegacyClient(shim.port()).Ask("AUTH wrong"), "ERR unauthorized");
  EXPECT_LT(absl::Now() - other, absl::Seconds(1));
}

TEST_F(ShimGuardTest, WithoutDescriptorsItShedsAndGoesOn) {
  const ShimProcess shim(pki_, agent_.host(),
                         {.arguments = {"--max-connections-per-source", "4096"},
                          .open_files = 256});
  ExpectServed(shim);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 400; ++i) {
    idle.push_back(ConnectTo(shim.port(), kAttacker));
  }
  absl::SleepFor(absl::Milliseconds(500));
  idle.clear();
  EXPECT_TRUE(Eventually([&] {
    LegacyClient client(shim.port());
    return client.Ask("AUTH secret") == "OK agent";
  })) << shim.Log();
}

TEST_F(ShimGuardTest, ConnectionsAreCappedInAllAndBySource) {
  // Who was let in would be silent for a minute.
  const ShimProcess shim(
      pki_, agent_.host(),
      {.arguments = {"--max-connections", "8", "--auth-timeout", "60"}});
  auto expect_refused = [&](const std::string& source) {
    EXPECT_THAT(LegacyClient(shim.port(), "", source).Next(absl::Seconds(20)),
                ::testing::AnyOf(kEnd, kReset))
        << source;
  };
  std::vector<LegacyClient> clients;
  for (int i = 0; i < 6; ++i) clients.emplace_back(shim.port(), "secret");
  // 6 of 8 are the most of one source.
  expect_refused("127.0.0.1");
  clients.emplace_back(shim.port(), "secret", "127.0.0.2");
  clients.emplace_back(shim.port(), "secret", "127.0.0.3");
  expect_refused("127.0.0.4");
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] {
    LegacyClient client(shim.port(), "", "127.0.0.4");
    return client.Ask("AUTH secret") == "OK agent";
  }));
}

// --- Requests that are begun and not finished

TEST_F(ShimGuardTest, UnfinishedRequestsTakeLittleMemoryAndItIsGivenBack) {
  ShimProcess shim(pki_, agent_.host());
  ExpectServed(shim);
  const int64_t before = ResidentKilobytes(shim.process().pid());
  const std::string begun =
      absl::StrCat("1048576\nEXEC ", std::string(1'000'000, 'x'));
  std::vector<std::unique_ptr<LegacyClient>> clients;
  int64_t most = 0;
  for (int i = 0; i < 250; ++i) {
    clients.push_back(
        std::make_unique<LegacyClient>(shim.port(), "secret", kAttacker));
    clients.back()->Send(begun);
    most = std::max(most, ResidentKilobytes(shim.process().pid()) - before);
  }
  ExpectServed(shim);
  EXPECT_LT(most, 64 << 10);
  RecordProperty("grown_kib", static_cast<int>(most));
  // One of those that were closed hears why.
  EXPECT_EQ(clients[0]->Next(), "ERR busy");
  EXPECT_THAT(clients[0]->Next(), ::testing::AnyOf(kEnd, kReset));
  EXPECT_THAT(shim.Log(), HasSubstr("unfinished requests"));
  clients.clear();
  EXPECT_TRUE(Eventually([&] {
    return ResidentKilobytes(shim.process().pid()) - before < 16 << 10;
  })) << ResidentKilobytes(shim.process().pid()) - before;
  ExpectServed(shim, kAttacker);
}

TEST_F(ShimGuardTest, UnfinishedRequestsOfOneDoNotEndThoseOfAnother) {
  const ShimProcess shim(pki_, agent_.host());
  LegacyClient honest(shim.port(), "secret");
  const std::string line =
      absl::StrCat("EXEC true #", std::string(100'000, 'x'));
  const std::string frame = Frame(line);
  honest.Send(frame.substr(0, 90'000));
  std::vector<std::unique_ptr<LegacyClient>> others;
  for (int i = 0; i < 60; ++i) {
    others.push_back(
        std::make_unique<LegacyClient>(shim.port(), "secret", kAttacker));
    others.back()->Send(
        absl::StrCat("1048576\nEXEC ", std::string(500'000, 'x')));
  }
  EXPECT_EQ(others[0]->Next(), "ERR busy");
  honest.Send(frame.substr(90'000));
  EXPECT_EQ(honest.Next(), "OUT_END 1 0");
}

TEST_F(ShimGuardTest, ViewersRequestsAreShort) {
  const ShimProcess shim(pki_, agent_.host());
  for (const char* begun : {"1048576\n", "513\n"}) {
    LegacyClient client(shim.port(), "look");
    client.Send(begun);
    EXPECT_EQ(client.Next(), "ERR too_large");
    EXPECT_EQ(client.Next(), kEnd);
  }
  LegacyClient client(shim.port(), "look");
  EXPECT_EQ(client.Ask(absl::StrCat("EXEC ", std::string(500, 'x'))),
            "ERR denied");
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

TEST_F(ShimGuardTest, LimitIsThatOfTheVerb) {
  const ShimProcess shim(pki_, agent_.host());
  for (const char* begun :
       {"513\nSTATUS", "8193\nTAIL /x", "1048576\nNOSUCH", "600\nBYExxx"}) {
    LegacyClient client(shim.port(), "secret");
    client.SendByteByByte(begun);
    EXPECT_EQ(client.Next(), "ERR too_large") << begun;
    EXPECT_EQ(client.Next(), kEnd) << begun;
  }
  LegacyClient client(shim.port(), "secret");
  EXPECT_EQ(client.Ask(absl::StrCat("TAIL /", std::string(8000, 'x'))),
            "ERR tail_failed");
  EXPECT_EQ(client.Ask(absl::StrCat("EXEC true #", std::string(100'000, 'x'))),
            "OUT_END 2 0");
  EXPECT_EQ(client.Ask(absl::StrCat("EXEC ", std::string(1'000'000, 'x'))),
            "ERR exec_failed");
}

TEST_F(ShimGuardTest, RequestThatIsNotFinishedInTimeIsSaidAndTheEnd) {
  const ShimProcess shim(pki_, agent_.host(),
                         {.arguments = {"--frame-timeout", "1"}});
  LegacyClient patient(shim.port(), "secret");
  EXPECT_EQ(patient.Ask("PING"), "PONG");
  for (const char* begun : {"1", "12\nEXEC", "700\nEXEC ech"}) {
    LegacyClient client(shim.port(), "secret");
    client.Send(Frame("PING") + begun);
    EXPECT_EQ(client.Next(), "PONG");
    EXPECT_EQ(client.Next(), "ERR too_slow") << begun;
    EXPECT_EQ(client.Next(), kEnd) << begun;
  }
  // Never silent for long, and still too slow.
  LegacyClient dribbles(shim.port(), "secret");
  const absl::Time start = absl::Now();
  dribbles.Send("100\n");
  while (dribbles.IsSilent(absl::Milliseconds(100)) &&
         absl::Now() - start < kHangLimit) {
    dribbles.Send("x");
  }
  EXPECT_LT(absl::Now() - start, kHangLimit);
  // Between requests there is no haste, and each has its own time.
  EXPECT_EQ(patient.Ask("PING"), "PONG");
  for (int i = 0; i < 4; ++i) {
    patient.Send("4\nPI");
    absl::SleepFor(absl::Milliseconds(300));
    patient.Send("NG4\nPI");
    absl::SleepFor(absl::Milliseconds(300));
    patient.Send("NG");
    EXPECT_EQ(patient.Next(), "PONG");
    EXPECT_EQ(patient.Next(), "PONG");
  }
}

// --- Files and the environment

class ShimStartTest : public ::testing::Test {
 protected:
  // What it says when it does not start.
  std::string Refusal(std::vector<std::string> further,
                      const std::vector<std::string>& environment = {}) {
    std::vector<std::string> arguments = ShimArguments(pki_, "127.0.0.1:1");
    arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
    arguments.insert(arguments.end(), further.begin(), further.end());
    const Result result = RunProgram(arguments, environment);
    EXPECT_TRUE(result.exit_code == 1 || result.exit_code == 2)
        << result.exit_code;
    return result.err;
  }
  std::string Tokens(const std::string& text, mode_t mode) {
    const std::string path = pki_.File("some-tokens");
    EXPECT_TRUE(WriteFileAtomically(path, text, mode, true).ok());
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }

  const Pki pki_;
};

TEST_F(ShimStartTest, TokenFileThatOthersMayReadIsRefusedWithItsPath) {
  const std::string path = Tokens("secret\n", 0644);
  EXPECT_THAT(Refusal({"--token-file", path}), HasSubstr(path));
}

TEST_F(ShimStartTest, WithoutATokenItDoesNotStart) {
  EXPECT_THAT(Refusal({}), HasSubstr("MON_TOKEN"));
  EXPECT_THAT(Refusal({}, {"MON_TOKEN="}), HasSubstr("empty"));
  EXPECT_THAT(Refusal({"--token-file", Tokens("\n", 0600)}),
              HasSubstr("no token"));
  EXPECT_THAT(Refusal({"--token-file", Tokens("viewer:\n", 0600)}),
              HasSubstr("empty"));
  EXPECT_THAT(Refusal({"--token-file", "/no/such/file"}),
              HasSubstr("/no/such/file"));
}

TEST_F(ShimStartTest, OnlyARoleOfShimWillDo) {
  const std::string why =
      Refusal({"--cert", pki_.File("admin.crt"), "--key",
               pki_.File("admin.key"), "--token-file", Tokens("x\n", 0600)});
  EXPECT_THAT(why, HasSubstr("role admin"));
}

TEST_F(ShimStartTest, OddOptionsAreRefused) {
  const std::string tokens = Tokens("secret\n", 0600);
  for (const std::vector<std::string>& odd :
       {std::vector<std::string>{"--listen", "127.0.0.1:0,x=y"},
        {"--listen", "127.0.0.1:0,exec-reply=both"},
        {"--exec-reply", "both"},
        {"--auth-timeout", "0"},
        {"--frame-timeout", "0"},
        {"--tls"}}) {
    std::vector<std::string> arguments = odd;
    arguments.insert(arguments.end(), {"--token-file", tokens});
    EXPECT_FALSE(Refusal(arguments).empty()) << odd.back();
  }
  EXPECT_THAT(Refusal({"--token", "secret"}), HasSubstr("--token"));
}

TEST_F(ShimStartTest, TokenOfTheEnvironmentWorksAndIsWiped) {
  const AgentProcess agent(pki_);
  ShimProcess shim(pki_, agent.host(),
                   {.environment = {"MON_TOKEN=hidden:value"}, .tokens = ""});
  LegacyClient client(shim.port(), "hidden:value");
  EXPECT_EQ(client.Ask("EXEC true"), "OUT_END 1 0");
  for (const char* file : {"environ", "cmdline"}) {
    const absl::StatusOr<std::string> text =
        ReadFile(absl::StrCat("/proc/", shim.process().pid(), "/", file));
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_THAT(*text, Not(HasSubstr("hidden"))) << file;
  }
  client.Send(Frame("EXEC env; cat /proc/$PPID/environ"));
  EXPECT_THAT(ReadStreams(client, 1)["2"].output, Not(HasSubstr("hidden")));
  EXPECT_THAT(shim.Log(), Not(HasSubstr("hidden")));
  EXPECT_THAT(shim.Log(), HasSubstr("MON_TOKEN"));
}

TEST_F(ShimStartTest, PlaintextBeyondLoopbackIsSaid) {
  const AgentProcess agent(pki_);
  const ShimProcess loopback(pki_, agent.host());
  EXPECT_THAT(loopback.Log(), Not(HasSubstr("the wire is plaintext")));
  const ShimProcess open(pki_, agent.host(), {.listen = "0.0.0.0:0"});
  EXPECT_THAT(open.Log(), HasSubstr("the wire is plaintext"));
  EXPECT_EQ(LegacyClient(open.port(), "secret").Ask("PING"), "PONG");
}

// --- The end

TEST_F(ShimGuardTest, SigtermLetsAnswersOutAndEnds) {
  FakeAgent slow(pki_);
  slow.on_start = [](const v1::StartRequest&, v1::StartResponse* response) {
    absl::SleepFor(absl::Seconds(1));
    response->set_pid(4711);
    return grpc::Status::OK;
  };
  slow.on_exec = [](const v1::ExecRequest&, const ExecScript& script) {
    script.Started();
    script.AwaitCancel();
    return grpc::Status::CANCELLED;
  };
  ShimProcess shim(pki_, slow.host());
  LegacyClient client(shim.port(), "secret");
  LegacyClient idle(shim.port(), "secret");
  client.Send(Frames({"EXEC x", "START x"}));
  absl::SleepFor(absl::Milliseconds(300));
  shim.process().Signal(SIGTERM);
  std::vector<std::string> others;
  EXPECT_EQ(ReadStreams(client, 1, &others)["1"].end, "143");
  if (others.empty()) others.push_back(client.Next());
  EXPECT_THAT(others, ::testing::ElementsAre("START_OK pid=4711"));
  EXPECT_EQ(client.Next(), kEnd);
  EXPECT_EQ(idle.Next(), kEnd);
  EXPECT_EQ(shim.process().Wait(), 0);
  EXPECT_THAT(shim.Log(), HasSubstr("msg=stopped"));
}

TEST_F(ShimGuardTest, SigtermEndsWhatRuns) {
  ShimProcess shim(pki_, agent_.host());
  LegacyClient client(shim.port(), "secret");
  client.Send(Frame("EXEC setsid sleep 75311 & sleep 75311"));
  ASSERT_TRUE(Eventually([] { return Runs("sleep 75311"); }));
  shim.process().Signal(SIGTERM);
  EXPECT_EQ(shim.process().Wait(), 0);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 75311"); }));
}

TEST_F(ShimGuardTest, ReaderThatSleepsDoesNotKeepItFromEnding) {
  ShimProcess shim(pki_, agent_.host());
  LegacyClient deaf(shim.port(), "secret");
  deaf.Send(Frame("EXEC yes"));
  absl::SleepFor(absl::Seconds(1));
  shim.process().Signal(SIGTERM);
  EXPECT_EQ(shim.process().Wait(), 0);
}

// --- TLS

TEST_F(ShimGuardTest, TlsServesTheSameProtocol) {
  IssueTlsCertificate(pki_);
  const ShimProcess shim(
      pki_, agent_.host(),
      {.arguments = {"--tls", "--tls-cert", pki_.File("tls.crt"), "--tls-key",
                     pki_.File("tls.key")}});
  EXPECT_THAT(shim.Log(), HasSubstr("wire=tls"));
  const std::string address = absl::StrCat("localhost:", shim.port());
  std::ofstream(pki_.File("requests"))
      << Frames({"AUTH secret", "PING",
                 "EXEC head -c 3000000 /dev/zero | tr "
                 "'\\0' x; sleep 0.5; exit 3"});
  const Result result = RunProgram(
      {"sh", "-c",
       absl::StrCat(
           "(cat ", pki_.File("requests"),
           "; sleep 3; printf '3\\nBYE') | timeout 30 openssl s_client -quiet "
           "-verify_return_error -connect ",
           address, " -CAfile ", pki_.File("ca.crt"),
           " -verify_hostname localhost 2>/dev/null")});
  EXPECT_THAT(result.out, StartsWith("8\nOK agent4\nPONG"));
  EXPECT_THAT(result.out, ::testing::EndsWith("11\nOUT_END 1 36\nOK bye"));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), 'x'), 3000000);
  // Who speaks plainly is not understood, and older TLS is refused.
  LegacyClient plain(shim.port());
  plain.Send(Frame("AUTH secret"));
  EXPECT_NE(plain.Next(), "OK agent");
  EXPECT_NE(RunProgram({"sh", "-c",
                        absl::StrCat("openssl s_client -tls1_2 -connect ",
                                     address, " </dev/null")})
                .exit_code,
            0);
}

TEST_F(ShimGuardTest, VanishedTlsPeerEndsItsStreams) {
  IssueTlsCertificate(pki_);
  const ShimProcess shim(
      pki_, agent_.host(),
      {.arguments = {"--tls", "--tls-cert", pki_.File("tls.crt"), "--tls-key",
                     pki_.File("tls.key")}});
  std::ofstream(pki_.File("requests"))
      << Frames({"AUTH secret", "EXEC sleep 75312"});
  Process client(
      {.arguments = {
           "sh", "-c",
           absl::StrCat("(cat ", pki_.File("requests"),
                        "; sleep 1000) | exec openssl s_client -quiet -connect "
                        "localhost:",
                        shim.port())}});
  ASSERT_TRUE(Eventually([] { return Runs("sleep 75312"); }));
  kill(-client.pid(), SIGKILL);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 75312"); }));
}

// --- The real nc

class NcTest : public ShimGuardTest {
 protected:
  Result Nc(const std::string& requests, const std::string& flags = "-N") {
    std::ofstream(pki_.File("requests")) << requests;
    return RunProgram(
        {"sh", "-c",
         absl::StrCat("timeout 30 nc ", flags, " 127.0.0.1 ", shim_.port(),
                      " < ", pki_.File("requests"))});
  }
  const ShimProcess shim_{pki_, agent_.host()};
};

TEST_F(NcTest, HalfClosedItGetsAllAnswers) {
  const Result result =
      Nc(Frames({"AUTH secret", "PING", "EXEC sleep 0.5; echo hello; exit 5"}));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "8\nOK agent4\nPONG12\nOUT 1 hello\n11\nOUT_END 1 5");
}

TEST_F(NcTest, TypedWithAnEnterAfterEachPayload) {
  const Result result = Nc("11\nAUTH secret\n4\nPING\n7\nSTATUS\n3\nBYE\n", "");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("8\nOK agent4\nPONG"));
  EXPECT_THAT(result.out, HasSubstr("STATUS cpu="));
  EXPECT_THAT(result.out, ::testing::EndsWith("6\nOK bye"));
}

TEST_F(NcTest, TypedSlowlyAndKilledItLeavesNothing) {
  Process nc({.arguments = {
                  "sh", "-c",
                  absl::StrCat("(printf '11\\nAUTH secret\\n'; sleep 0.3; "
                               "printf '16\\n'; sleep 0.3; "
                               "printf 'EXEC sleep 75313\\n'; sleep 1000) | nc "
                               "127.0.0.1 ",
                               shim_.port())}});
  ASSERT_TRUE(Eventually([] { return Runs("sleep 75313"); }));
  kill(-nc.pid(), SIGKILL);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 75313"); }));
}

TEST_F(NcTest, WrongTokenIsSaidAndEndsIt) {
  const Result result = Nc(Frames({"AUTH wrong", "PING"}), "");
  EXPECT_EQ(result.out, "16\nERR unauthorized");
}

TEST_F(NcTest, AThousandPipelined) {
  std::string requests = Frame("AUTH secret");
  std::string replies = Frame("OK agent");
  for (int i = 0; i < 1000; ++i) {
    requests += Frame("PING");
    replies += Frame("PONG");
  }
  EXPECT_EQ(Nc(requests).out, replies);
}

}  // namespace
}  // namespace specula::testing
