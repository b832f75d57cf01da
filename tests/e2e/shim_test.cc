// The older protocol, whole: a real shim, a real agent, a real socket. Every
// row of the document's command table and what PROTOCOL.md decided besides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/shim_harness.h"

namespace specula::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;
using std::string_literals::operator""s;

constexpr char kSize[] = "[0-9.]+[KMGTP]?i?B";

// One agent and shim for all cases here; what a test needs of its own it starts
// itself.
class ShimTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    pki_ = new Pki;
    agent_ = new AgentProcess(*pki_);
    shim_ = new ShimProcess(
        *pki_, agent_->host(),
        {.arguments = {"--listen", "127.0.0.1:0,exec-reply=summary"}});
    std::ofstream(pki_->File("plain")) << "no program\n";
  }
  static void TearDownTestSuite() {
    delete shim_;
    delete agent_;
    delete pki_;
  }

  static LegacyClient Operator() {
    return LegacyClient(shim_->port(), "secret");
  }
  static LegacyClient Viewer() { return LegacyClient(shim_->port(), "look"); }

  static Pki* pki_;
  static AgentProcess* agent_;
  static ShimProcess* shim_;
};

Pki* ShimTest::pki_ = nullptr;
AgentProcess* ShimTest::agent_ = nullptr;
ShimProcess* ShimTest::shim_ = nullptr;

// --- The command table, each request whole, byte by byte, and a thousand in
// one write.

struct Row {
  const char* request;
  std::string reply;  // a regular expression
};

std::vector<Row> UnaryRows() {
  const std::string extent = absl::StrCat(kSize, "/", kSize);
  return {
      {"AUTH secret", "OK agent"},
      {"PING", "PONG"},
      {"STATUS",
       absl::StrCat("STATUS cpu=[0-9]+% mem=", extent, " disk=", extent)},
      {"CPU", "CPU [0-9]+%"},
      {"MEM", absl::StrCat("MEM ", extent)},
      {"DISK", absl::StrCat("DISK ", extent)},
      {"START true", "START_OK pid=[0-9]+|ERR busy"},
      {"START /no/such/program", "ERR start_failed"},
      {"KILL 4194304", "ERR kill_failed"},
      {"KILL 1 force", "ERR kill_failed"},
      {"KILL x", "ERR bad_request"},
      {"TAIL /no/such/file", "ERR tail_failed|ERR busy"},
      {"TAIL relative", "ERR tail_failed|ERR busy"},
      {"LIST", "ERR unknown_command"},
      {"", "ERR bad_request"},
      {"STOP 99999", "ERR stop_failed"},
      {"PING\n", "PONG"},
  };
}

TEST_F(ShimTest, EveryCommandIsAnsweredWhole) {
  LegacyClient client = Operator();
  for (const Row& row : UnaryRows()) {
    EXPECT_THAT(client.Ask(row.request), MatchesRegex(row.reply))
        << row.request;
  }
  EXPECT_EQ(client.Ask("BYE"), "OK bye");
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimTest, EveryCommandIsAnsweredByteByByte) {
  LegacyClient client = Operator();
  for (const Row& row : UnaryRows()) {
    client.SendByteByByte(Frame(row.request));
    EXPECT_THAT(client.Next(), MatchesRegex(row.reply)) << row.request;
  }
  client.SendByteByByte(Frame("EXEC echo $((1+1))"));
  EXPECT_EQ(ReadStreams(client, 1).begin()->second.output, "2\n");
  client.SendByteByByte(Frame("BYE"));
  EXPECT_EQ(client.Next(), "OK bye");
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimTest, AThousandOfEachInOneWriteAreAnsweredInOrder) {
  for (const Row& row : UnaryRows()) {
    LegacyClient client = Operator();
    std::string all;
    for (int i = 0; i < 1000; ++i) all += Frame(row.request);
    client.Send(all);
    for (int i = 0; i < 1000; ++i) {
      const std::string reply = client.Next();
      ASSERT_THAT(reply, MatchesRegex(row.reply)) << row.request << " " << i;
    }
    EXPECT_EQ(client.Ask("BYE"), "OK bye") << row.request;
  }
}

TEST_F(ShimTest, AThousandDifferentOnesKeepTheirOrder) {
  LegacyClient client = Operator();
  const std::vector<Row> rows = UnaryRows();
  std::string all;
  for (size_t i = 0; i < 1000; ++i) all += Frame(rows[i % rows.size()].request);
  client.Send(all);
  for (size_t i = 0; i < 1000; ++i) {
    const Row& row = rows[i % rows.size()];
    ASSERT_THAT(client.Next(), MatchesRegex(row.reply))
        << row.request << " " << i;
  }
}

TEST_F(ShimTest, AThousandExecsInOneWriteAllHaveTheirEnd) {
  LegacyClient client = Operator();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += Frame("EXEC true");
  client.Send(all);
  int ended = 0;
  int busy = 0;
  while (ended + busy < 1000) {
    const std::string reply = client.Next();
    if (reply == "ERR busy") {
      ++busy;
    } else {
      ASSERT_THAT(reply, MatchesRegex("OUT_END [0-9]+ 0"));
      ++ended;
    }
  }
  EXPECT_GE(ended, 16);
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

// --- Frames

TEST_F(ShimTest, NewlinesBetweenFramesAreSkipped) {
  LegacyClient client = Operator();
  client.Send("\n\r\n4\nPING\n4\nPING\r\n\n\n7\nSTATUS\n3\nCPU\n");
  EXPECT_EQ(client.Next(), "PONG");
  EXPECT_EQ(client.Next(), "PONG");
  EXPECT_THAT(client.Next(), StartsWith("STATUS "));
  EXPECT_THAT(client.Next(), StartsWith("CPU "));
}

TEST_F(ShimTest, WhatIsNoLengthIsSaidAndTheConnectionClosed) {
  for (const std::string& bad :
       {"-4\nPING"s, "+4\nPING"s, " 4\nPING"s, "4 \nPING"s, "04\nPING"s,
        "4\r\nPING"s, "0x4\nPING"s, "PING\n"s, "\0"s, "\rx"s,
        "GET / HTTP/1.1\r\n\r\n"s}) {
    LegacyClient client = Operator();
    // What stood before is answered, what follows is not run.
    client.Send(Frame("PING") + bad + Frame("PING"));
    EXPECT_EQ(client.Next(), "PONG") << bad;
    EXPECT_EQ(client.Next(), "ERR bad_frame") << bad;
    EXPECT_EQ(client.Next(), kEnd) << bad;
    LegacyClient stranger(shim_->port());
    stranger.Send(bad);
    EXPECT_EQ(stranger.Next(), "ERR bad_frame") << bad;
    EXPECT_EQ(stranger.Next(), kEnd) << bad;
  }
}

TEST_F(ShimTest, TooLargeIsSaidWithoutTakingIt) {
  for (const char* length :
       {"1048577\n", "4294967296\n", "99999999999999999999\n"}) {
    LegacyClient client = Operator();
    // What is on its way already makes no reset of it, which could lose the
    // reply.
    client.Send(absl::StrCat(length, std::string(300'000, 'x')));
    EXPECT_EQ(client.Next(), "ERR too_large") << length;
    EXPECT_EQ(client.Next(), kEnd) << length;
  }
  LegacyClient stranger(shim_->port());
  stranger.Send("513\n");
  EXPECT_EQ(stranger.Next(), "ERR too_large");
  EXPECT_EQ(stranger.Next(), kEnd);
  // With AUTH before it in the same bytes the larger limit holds.
  LegacyClient client(shim_->port());
  client.Send(Frame("AUTH secret") +
              Frame(absl::StrCat("EXEC true #", std::string(2000, 'x'))));
  EXPECT_EQ(client.Next(), "OK agent");
  EXPECT_EQ(client.Next(), "OUT_END 1 0");
}

TEST_F(ShimTest, LengthsAloneCostNoMemory) {
  const int64_t before = ResidentKilobytes(shim_->process().pid());
  std::vector<LegacyClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(Operator());
    clients.back().Send("1048576\nEXEC ");
  }
  EXPECT_EQ(Operator().Ask("PING"), "PONG");
  // 100 MiB if they were believed.
  EXPECT_LT(ResidentKilobytes(shim_->process().pid()) - before, 20 << 10);
}

TEST_F(ShimTest, LongestPayloadIsTaken) {
  LegacyClient client = Operator();
  // No shell takes an argument of 1 MiB.
  std::string longest = "EXEC ";
  longest.resize(1 << 20, 'x');
  EXPECT_EQ(client.Ask(longest), "ERR exec_failed");
  EXPECT_EQ(client.Ask("PING"), "PONG");
  std::string command = "EXEC echo ok #";
  command.resize(100 << 10, 'x');
  client.Send(Frame(command));
  EXPECT_EQ(ReadStreams(client, 1)["2"].output, "ok\n");
}

TEST_F(ShimTest, OddPayloadsLeaveTheConnectionUsable) {
  LegacyClient client = Operator();
  for (const std::string& bad :
       {""s, "\n"s, "PI\0NG"s, "EXEC \0"s, "EXEC"s, "EXEC "s, "START"s, "KILL"s,
        "KILL -1"s, "KILL 0"s, "KILL 12 now"s, "KILL 12  force"s, "TAIL"s,
        "PING x"s, "BYE x"s, "STOP"s, "EXEC \xff"s}) {
    EXPECT_EQ(client.Ask(bad), "ERR bad_request") << bad;
  }
  for (const std::string& unknown : {"LIST"s, "ping"s, "NOSUCH x"s, " PING"s}) {
    EXPECT_EQ(client.Ask(unknown), "ERR unknown_command") << unknown;
  }
  EXPECT_EQ(client.Ask("PING"), "PONG");
}

// --- However the bytes are cut

// All that a stream of bytes is answered, up to the end.
std::string AnswersTo(int port, const std::string& stream,
                      const std::vector<size_t>& cuts) {
  LegacyClient client(port);
  absl::string_view rest = stream;
  for (size_t turn = 0; !rest.empty(); ++turn) {
    const size_t length = cuts.empty() ? rest.size() : cuts[turn % cuts.size()];
    client.Send(rest.substr(0, length));
    rest.remove_prefix(std::min(length, rest.size()));
  }
  client.HalfClose();
  std::string answers;
  for (std::string reply = client.Next();; reply = client.Next()) {
    absl::StrAppend(&answers, reply, "\n");
    if (absl::StartsWith(reply, "<")) return answers;
  }
}

TEST_F(ShimTest, OneSegmentAndDribbledAreAnsweredAlike) {
  // From a seed, so that a failure comes again.
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  auto any = [&](size_t n) { return random() % n; };
  const std::vector<std::string> pieces = {
      Frame("PING"),
      Frame("PING\n"),
      Frame("KILL 4194304"),
      Frame("NOSUCH"),
      Frame(""),
      Frame("LIST"),
      Frame("KILL x"),
      Frame("EXEC"),
      Frame("STOP 7"),
      Frame("TAIL /none"),
      Frame("START /none"),
      Frame("AUTH look"),
      Frame("A\0B"s),
      "\n",
      "\r\n",
      Frame("EXEC \xff"),
      Frame("AUTH secret"),
  };
  const std::vector<std::string> ends = {
      "",         Frame("BYE") + Frame("PING"),        "04\nPING", "9999999\n",
      "12\nPING", Frame("AUTH wrong") + Frame("PING"), "x"};
  for (int round = 0; round < 40; ++round) {
    std::string stream = Frame("AUTH secret");
    for (size_t i = any(40); i > 0; --i) stream += pieces[any(pieces.size())];
    // A wrong token is slowed: not often.
    stream += ends[any(round % 8 == 0 ? ends.size() : ends.size() - 2)];
    std::vector<size_t> cuts;
    for (size_t i = 1 + any(5); i > 0; --i) cuts.push_back(1 + any(9));
    const std::string whole = AnswersTo(shim_->port(), stream, {});
    ASSERT_EQ(AnswersTo(shim_->port(), stream, cuts), whole)
        << "'" << stream << "'";
  }
}

// --- AUTH

TEST_F(ShimTest, NothingGoesBeforeTheRightToken) {
  const std::string marker = pki_->File("never");
  for (const std::string& first :
       {"AUTH wrong"s, "AUTH "s, "AUTH"s, "PING"s, ""s, "NOSUCH"s, "A\0"s,
        "AUTH secret "s, "AUTH secre"s, absl::StrCat("EXEC touch ", marker)}) {
    LegacyClient client(shim_->port(), "", "127.0.0.3");
    client.Send(Frame(first) + Frame("AUTH secret") +
                Frame("EXEC touch " + marker));
    EXPECT_EQ(client.Next(), "ERR unauthorized") << first;
    EXPECT_EQ(client.Next(), kEnd) << first;
  }
  EXPECT_EQ(Operator().Ask("PING"), "PONG");
  EXPECT_FALSE(RunProgram({"test", "-e", marker}).exit_code == 0);
}

TEST_F(ShimTest, TokenMayBeTypedWithANewline) {
  LegacyClient client(shim_->port());
  client.Send("12\nAUTH secret\n\n4\nPING\n");
  EXPECT_EQ(client.Next(), "OK agent");
  EXPECT_EQ(client.Next(), "PONG");
}

TEST_F(ShimTest, SecondAuthIsJudgedLikeTheFirst) {
  LegacyClient client = Operator();
  EXPECT_EQ(client.Ask("AUTH look"), "OK agent");
  EXPECT_EQ(client.Ask("EXEC true"), "ERR denied");
  EXPECT_EQ(client.Ask("AUTH wrong"), "ERR unauthorized");
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimTest, ViewersTokenOnlyLooks) {
  LegacyClient client = Viewer();
  for (const char* looks : {"PING", "STATUS", "CPU", "MEM", "DISK"}) {
    EXPECT_THAT(client.Ask(looks), Not(StartsWith("ERR"))) << looks;
  }
  for (const char* acts : {"EXEC true", "START true", "KILL 42",
                           "KILL 42 force", "TAIL /etc/hostname", "STOP 1"}) {
    EXPECT_EQ(client.Ask(acts), "ERR denied") << acts;
  }
  EXPECT_EQ(client.Ask("BYE"), "OK bye");
}

TEST_F(ShimTest, AuditNamesTheTokenAndNotItsValue) {
  LegacyClient client = Operator();
  client.Send(Frame("EXEC : audit-me"));
  EXPECT_EQ(client.Next(), "OUT_END 1 0");
  const std::string log = pki_->File("state") + "/audit/audit.jsonl";
  std::string text;
  EXPECT_TRUE(Eventually([&] {
    absl::StatusOr<std::string> read = ReadFile(log, 64 << 20);
    text = read.ok() ? *read : "";
    return text.find("audit-me") != std::string::npos;
  }));
  const size_t line = text.rfind('\n', text.find("audit-me"));
  const std::string record =
      text.substr(line + 1, text.find('\n', line + 1) - line - 1);
  EXPECT_THAT(record, HasSubstr("\"on_behalf\":\"token 1\""));
  EXPECT_THAT(record, HasSubstr("/specula/shim/console\""));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
  EXPECT_THAT(shim_->Log(), Not(HasSubstr("secret")));
  EXPECT_THAT(shim_->Log(), HasSubstr("token=\"token 1\""));
}

// --- START and KILL

TEST_F(ShimTest, StartedProgramRunsOnAndKillEndsIt) {
  LegacyClient client = Operator();
  for (const char* how : {"", " force"}) {
    const std::string reply = client.Ask("START sleep 97531");
    ASSERT_THAT(reply, MatchesRegex("START_OK pid=[0-9]+"));
    const std::string pid = reply.substr(strlen("START_OK pid="));
    EXPECT_TRUE(Runs("sleep 97531"));
    EXPECT_EQ(client.Ask(absl::StrCat("KILL ", pid, how)), "KILL_OK");
    EXPECT_TRUE(Eventually([] { return !Runs("sleep 97531"); }));
    EXPECT_TRUE(Eventually(
        [&] { return client.Ask("KILL " + pid) == "ERR kill_failed"; }));
  }
}

TEST_F(ShimTest, StartOutlivesItsConnection) {
  {
    LegacyClient client = Operator();
    EXPECT_THAT(client.Ask("START sleep 97532"), StartsWith("START_OK"));
    EXPECT_EQ(client.Ask("BYE"), "OK bye");
  }
  EXPECT_TRUE(Runs("sleep 97532"));
  EXPECT_EQ(RunProgram({"pkill", "-fx", "sleep 97532"}).exit_code, 0);
}

TEST_F(ShimTest, WhatCannotBeStartedIsFoundOut) {
  LegacyClient client = Operator();
  const std::string plain = pki_->File("plain");
  for (const std::string& line :
       {"/no/such/program"s, "no-such-program-at-all x y"s,
        "/no/such/program >/dev/null"s, "A=1 /no/such/program 'x y'"s,
        "no-such-program-at-all \"$HOME\""s, plain, plain + " 'x'", "/tmp"s,
        "/tmp ; true"s}) {
    EXPECT_EQ(client.Ask("START " + line), "ERR start_failed") << line;
  }
  for (const std::string& line :
       {"true"s, "true 'x y' >/dev/null"s, "A=1 true \"x\""s, "cd / && true"s,
        "if true; then true; fi"s, "$(echo true)"s, "echo a b"s}) {
    EXPECT_THAT(client.Ask("START " + line), StartsWith("START_OK pid="))
        << line;
  }
}

// --- The end of a connection

TEST_F(ShimTest, ByeEndsTheStreamsAndNothingBehindItRuns) {
  LegacyClient client = Operator();
  const std::string marker = pki_->File("never-either");
  client.Send(Frames({"EXEC sleep 97533", "PING"}));
  EXPECT_EQ(client.Next(), "PONG");
  EXPECT_TRUE(Eventually([] { return Runs("sleep 97533"); }));
  client.Send(Frames({"BYE", "EXEC touch " + marker}));
  EXPECT_EQ(client.Next(), "OK bye");
  EXPECT_EQ(client.Next(), kEnd);
  EXPECT_TRUE(Eventually([] { return !Runs("sleep 97533"); }));
  EXPECT_FALSE(RunProgram({"test", "-e", marker}).exit_code == 0);
}

TEST_F(ShimTest, AfterAHalfCloseEverythingIsStillAnswered) {
  LegacyClient client(shim_->port());
  client.Send(Frames({"AUTH secret", "STATUS", "EXEC sleep 0.3; echo late",
                      "START true", "PING"}));
  client.HalfClose();
  std::vector<std::string> others;
  auto streams = ReadStreams(client, 1, &others);
  EXPECT_EQ(streams["1"].output, "late\n");
  EXPECT_EQ(streams["1"].end, "0");
  EXPECT_THAT(others, ElementsAre("OK agent", StartsWith("STATUS "),
                                  StartsWith("START_OK "), "PONG"));
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimTest, FrameThatIsCutByTheEndIsSaid) {
  LegacyClient client = Operator();
  // As the document's own sample: 12 and PING.
  client.Send(Frame("PING") + "12\nPING\n");
  client.HalfClose();
  EXPECT_EQ(client.Next(), "PONG");
  EXPECT_EQ(client.Next(), "ERR bad_frame");
  EXPECT_EQ(client.Next(), kEnd);
}

TEST_F(ShimTest, EmptyConnectionIsNoHarm) {
  LegacyClient client(shim_->port());
  client.HalfClose();
  EXPECT_EQ(client.Next(), kEnd);
}

// --- The batch form

TEST_F(ShimTest, SummaryListenerAnswersExecByOneFrame) {
  LegacyClient client(shim_->port(1), "secret");
  EXPECT_EQ(client.Ask("EXEC echo out; exit 3"), "EXEC_END code=3");
  EXPECT_EQ(client.Ask("EXEC head -c 1000000 /dev/zero"), "EXEC_END code=0");
  EXPECT_EQ(client.Ask("EXEC kill -9 $$"), "EXEC_END code=137");
  // Without a sid the ends keep the order of the commands; others need not
  // wait for them.
  client.Send(Frames({"EXEC sleep 1; exit 1", "EXEC exit 2", "PING"}));
  EXPECT_EQ(client.Next(), "PONG");
  EXPECT_EQ(client.Next(), "EXEC_END code=1");
  EXPECT_EQ(client.Next(), "EXEC_END code=2");
  EXPECT_EQ(client.Ask("BYE"), "OK bye");
}

}  // namespace
}  // namespace specula::testing
