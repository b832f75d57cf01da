// `specula start`, `kill` and `tail` against a fake agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;
using TailWriter = grpc::ServerWriter<v1::TailResponse>;

class CommandTest : public ::testing::Test {
 protected:
  Words Command(const Words& words) const {
    return ControllerArguments(pki_, "operator", agent_.host(), words);
  }
  Result Run(const Words& words) const { return RunProgram(Command(words)); }

  const Pki pki_;
  FakeAgent agent_{pki_};
};

class StartCommandTest : public CommandTest {
 protected:
  StartCommandTest() {
    agent_.on_start = [this](const v1::StartRequest& request,
                             v1::StartResponse* response) {
      asked_ = request;
      response->set_pid(4242);
      response->set_start_ticks(777);
      response->set_boot_id("0af1");
      response->set_log_path("/var/lib/specula/jobs/1/log");
      return grpc::Status::OK;
    };
  }
  v1::StartRequest asked_;
};

TEST_F(StartCommandTest, ShowsWhatWasStarted) {
  const Result result = Run({"start", "--env", "A=1", "--idempotency-key", "k",
                             "--", "sleep", "[1,2]"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* part :
       {"PID", "4242", "777", "0af1", "/var/lib/specula/jobs/1/log"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_EQ(asked_.idempotency_key(), "k");
  EXPECT_EQ(asked_.command().argv().arguments(1), "[1,2]");
  EXPECT_EQ(asked_.command().environment().at("A"), "1");
}

TEST_F(StartCommandTest, JsonHasTheSame) {
  const Result result = Run({"start", "--json", "-s", "sleep 1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"outcome\":\"ok\""));
  EXPECT_THAT(result.out, HasSubstr("\"pid\":\"4242\""));
  EXPECT_EQ(asked_.command().shell(), "sleep 1");
}

TEST_F(StartCommandTest, OnManyHostsEachHasItsRowOrItsReason) {
  FakeAgent other(pki_);
  other.on_start = [](const v1::StartRequest&, v1::StartResponse* response) {
    response->set_pid(99);
    return grpc::Status::OK;
  };
  const Result result = Run(
      {"start", absl::StrCat(agent_.host(), ",", other.host(), ",127.0.0.1:9"),
       "--", "sleep"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out, HasSubstr(agent_.host() + "  4242"));
  EXPECT_THAT(result.out, HasSubstr(other.host() + "  99 "));
  EXPECT_THAT(result.out, HasSubstr(absl::StrCat(
                              "Started: ", agent_.host(), ", ", other.host(),
                              "\nunreachable: 127.0.0.1:9\n")));
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:9: unreachable: "));
}

TEST_F(StartCommandTest, AFailureIsNoResult) {
  agent_.on_start = [](const v1::StartRequest&, v1::StartResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "exec(/nope)");
  };
  const Result result = Run({"start", "--", "/nope"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_EQ(result.err, absl::StrCat("specula: ", agent_.host(),
                                     ": failed: NOT_FOUND: exec(/nope)\n"));
  const Result json = Run({"start", "--json", "--", "/nope"});
  EXPECT_EQ(json.exit_code, 255);
  EXPECT_THAT(json.out, HasSubstr("\"outcome\":\"failed\""));
}

TEST_F(StartCommandTest, WithoutAnAnswerItIsInDoubt) {
  agent_.on_start = [](const v1::StartRequest&, v1::StartResponse*) {
    absl::SleepFor(absl::Seconds(4));
    return grpc::Status::OK;
  };
  const Result result = Run({"--timeout", "2", "start", "--", "true"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr(": timeout: the host is connected"));
  EXPECT_THAT(result.err, HasSubstr("may have been started all the same"));
}

TEST_F(StartCommandTest, TheKeyOfTheCertificateStaysThat) {
  Words words = {Program("specula"),
                 "start",
                 agent_.host(),
                 "--ca",
                 pki_.File("ca.crt"),
                 "--cert",
                 pki_.File("operator.crt"),
                 "--key",
                 pki_.File("operator.key"),
                 "--",
                 "true"};
  EXPECT_EQ(RunProgram(words).exit_code, 0);
  EXPECT_THAT(asked_.idempotency_key(), IsEmpty());
}

class KillCommandTest : public CommandTest {
 protected:
  KillCommandTest() {
    agent_.on_kill = [](const v1::KillRequest& request,
                        v1::KillResponse* response) {
      response->set_signalled_count(request.tree() ? 3 : 1);
      return grpc::Status::OK;
    };
  }
};

TEST_F(KillCommandTest, SendsWhatIsAskedFor) {
  EXPECT_EQ(Run({"kill", "1234"}).out, "sent TERM to 1 process\n");
  EXPECT_EQ(Run({"kill", agent_.host(), "99999999999", "--signal", "rtmin+1",
                 "--tree", "--start-ticks", "5"})
                .out,
            "sent RTMIN+1 to 3 processes\n");
  EXPECT_EQ(Run({"kill", "1234", "--force"}).out, "sent KILL to 1 process\n");
  const std::vector<v1::KillRequest> kills = agent_.kills();
  ASSERT_EQ(kills.size(), 3U);
  EXPECT_EQ(kills[0].pid(), 1234);
  EXPECT_EQ(kills[0].signal(), 0);
  EXPECT_FALSE(kills[0].has_start_ticks());
  EXPECT_EQ(kills[1].pid(), 99999999999);
  EXPECT_EQ(kills[1].signal(), 35);
  EXPECT_EQ(kills[1].start_ticks(), 5);
  EXPECT_TRUE(kills[1].tree());
  EXPECT_TRUE(kills[2].force());
}

TEST_F(KillCommandTest, NothingIsSentForAMistake) {
  for (const Words& words :
       {Words{"kill"}, Words{"kill", "0"}, Words{"kill", "1"},
        Words{"kill", "-5"}, Words{"kill", "12x"}, Words{"kill", ""},
        Words{"kill", "12", "--signal", "0"},
        Words{"kill", "12", "--signal", "NOPE"},
        Words{"kill", "12", "--signal", "HUP", "--force"},
        Words{"kill", "12", "--start-ticks", "-1"},
        Words{"kill", "vm[1-2]", "12"}, Words{"kill", "12", "--", "13"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words.back();
  }
  EXPECT_THAT(agent_.kills(), IsEmpty());
}

TEST_F(KillCommandTest, AFailureIsNoResult) {
  agent_.on_kill = [](const v1::KillRequest&, v1::KillResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "started at another time");
  };
  const Result result = Run({"kill", "1234"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr("started at another time"));
}

class TailCommandTest : public CommandTest {
 protected:
  static void Data(TailWriter* writer, const std::string& bytes) {
    v1::TailResponse response;
    response.set_data(bytes);
    writer->Write(response);
  }
  static void Event(TailWriter* writer, v1::TailEvent::Kind kind,
                    int64_t skipped = 0) {
    v1::TailResponse response;
    response.mutable_event()->set_kind(kind);
    response.mutable_event()->set_skipped_bytes(skipped);
    writer->Write(response);
  }
  v1::TailRequest asked_;
};

TEST_F(TailCommandTest, BytesToOutputAndEventsToError) {
  agent_.on_tail = [this](grpc::ServerContext*, const v1::TailRequest& request,
                          TailWriter* writer) {
    asked_ = request;
    Data(writer, std::string("a\0\xff\033[2J", 7));
    Event(writer, v1::TailEvent::KIND_ROTATED);
    Data(writer, "new\n");
    Event(writer, v1::TailEvent::KIND_SKIPPED, 2048);
    return grpc::Status::OK;
  };
  const Result result = Run({"tail", "/var/log/x", "-n", "3", "-f", "--wait"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, std::string("a\0\xff\033[2Jnew\n", 11));
  EXPECT_THAT(result.err, HasSubstr(": rotated: "));
  EXPECT_THAT(result.err, HasSubstr(": skipped: 2.0KiB"));
  EXPECT_EQ(asked_.path(), "/var/log/x");
  EXPECT_EQ(asked_.lines(), 3);
  EXPECT_TRUE(asked_.follow());
  EXPECT_TRUE(asked_.wait_for_file());
}

TEST_F(TailCommandTest, CtrlCEndsAFollowWith0) {
  std::atomic<bool> cancelled{false};
  agent_.on_tail = [&](grpc::ServerContext* context, const v1::TailRequest&,
                       TailWriter* writer) {
    Data(writer, "line\n");
    Eventually([&] { return context->IsCancelled(); });
    cancelled = context->IsCancelled();
    return grpc::Status::CANCELLED;
  };
  Process process({.arguments = Command({"tail", agent_.host(), "/x", "-f"})});
  ASSERT_TRUE(Eventually([&] { return process.Stdout() == "line\n"; }))
      << process.Stderr();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_THAT(process.Stderr(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return cancelled.load(); }));
}

TEST_F(TailCommandTest, ManyHostsAreMergedLineByLineAndFailuresAreNamed) {
  FakeAgent other(pki_);
  std::atomic<bool> rotated{false};
  agent_.on_tail = [&](grpc::ServerContext*, const v1::TailRequest&,
                       TailWriter* writer) {
    Data(writer, "on");
    Eventually([&] { return rotated.load(); });
    Data(writer, "e\ntwo");
    return grpc::Status::OK;
  };
  other.on_tail = [&](grpc::ServerContext*, const v1::TailRequest&,
                      TailWriter* writer) {
    Data(writer, "old\n");
    Event(writer, v1::TailEvent::KIND_ROTATED);
    Data(writer, "new\n");
    rotated = true;
    return grpc::Status::OK;
  };
  const std::string hosts =
      absl::StrCat(agent_.host(), ",", other.host(), ",127.0.0.1:9");
  const Result result = Run({"tail", hosts, "/var/log/x"});
  EXPECT_EQ(result.exit_code, 255);
  for (const std::string& line :
       {agent_.host() + ": one\n", agent_.host() + ": two\n"}) {
    EXPECT_THAT(result.out, HasSubstr(line));
  }
  // Lines of others may come in between.
  const size_t old_line = result.out.find(other.host() + ": old\n");
  const size_t new_line = result.out.find(other.host() + ": new\n");
  ASSERT_NE(old_line, std::string::npos) << result.out;
  ASSERT_NE(new_line, std::string::npos) << result.out;
  EXPECT_LT(old_line, new_line);
  EXPECT_THAT(result.err, HasSubstr(other.host() + ": rotated: "));
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:9: unreachable: "));
}

TEST_F(TailCommandTest, GrepShowsLinesThatMatch) {
  agent_.on_tail = [](grpc::ServerContext*, const v1::TailRequest&,
                      TailWriter* writer) {
    Data(writer, "GET /a 200\nGET /b 50");
    Data(writer, "3\nPUT /b 500");
    return grpc::Status::OK;
  };
  const Result result = Run({"tail", "/x", "--grep", "50\\d$"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "GET /b 503\nPUT /b 500\n");
}

TEST_F(TailCommandTest, CtrlCEndsAllFollowsWith0) {
  FakeAgent other(pki_);
  std::atomic<int> cancelled{0};
  for (FakeAgent* agent : {&agent_, &other}) {
    agent->on_tail = [&](grpc::ServerContext* context, const v1::TailRequest&,
                         TailWriter* writer) {
      Data(writer, "line\n");
      Eventually([&] { return context->IsCancelled(); });
      if (context->IsCancelled()) ++cancelled;
      return grpc::Status::CANCELLED;
    };
  }
  Process process({.arguments = Command(
                       {"tail", absl::StrCat(agent_.host(), ",", other.host()),
                        "/x", "-f"})});
  ASSERT_TRUE(Eventually([&] {
    const std::string out = process.Stdout();
    return out.find(agent_.host() + ": line") != std::string::npos &&
           out.find(other.host() + ": line") != std::string::npos;
  })) << process.Stderr();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_THAT(process.Stderr(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return cancelled == 2; }));
}

TEST_F(TailCommandTest, ErrorsAreNoResult) {
  agent_.on_tail = [](grpc::ServerContext*, const v1::TailRequest&,
                      TailWriter*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "/dev/null: not a regular file");
  };
  const Result result = Run({"tail", "/dev/null"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.err, HasSubstr("not a regular file"));
}

TEST_F(TailCommandTest, ABrokenConnectionIsLost) {
  agent_.on_tail = [](grpc::ServerContext* context, const v1::TailRequest&,
                      TailWriter* writer) {
    Data(writer, "line\n");
    Eventually([&] { return context->IsCancelled(); });
    return grpc::Status::CANCELLED;
  };
  Cable cable(agent_.endpoint());
  Process process(
      {.arguments = ControllerArguments(
           pki_, "operator", FormatHostPort(cable.endpoint().address),
           {"tail", "/x", "-f"})});
  ASSERT_TRUE(Eventually([&] { return process.Stdout() == "line\n"; }));
  cable.Cut();
  EXPECT_EQ(process.Wait(), 255);
  EXPECT_THAT(process.Stderr(), HasSubstr(": lost: "));
}

TEST_F(TailCommandTest, MistakesAreUsageErrors) {
  for (const Words& words :
       {Words{"tail"}, Words{"tail", "relative"}, Words{"tail", ""},
        Words{"tail", "/x", "-n", "-1"}, Words{"tail", "/x", "-n", "100001"},
        Words{"tail", "/x", "--json"}, Words{"tail", "/x", "--grep", "("}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words.back();
  }
}

}  // namespace
}  // namespace specula::testing
