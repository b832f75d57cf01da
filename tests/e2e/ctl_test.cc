// The controller as an operator uses it.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CtlTest : public ::testing::Test {
 protected:
  Result Ask(const std::string& hosts, const std::vector<std::string>& command,
             const std::string& who = "viewer") const {
    return RunProgram(ControllerArguments(pki_, who, hosts, command));
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
  // A port where nobody listens: it is bound, but not listened on.
  const std::string dead_ = "127.0.0.1:9";
};

TEST_F(CtlTest, StatusShowsALineForEachHostAndTheReasonOfTheDeadOne) {
  const Result result = Ask(agent_.host() + "," + dead_, {"status"});
  EXPECT_EQ(result.exit_code, 255);
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n');
  ASSERT_EQ(lines.size(), 4U) << result.out;
  EXPECT_THAT(lines[0], StartsWith("HOST"));
  EXPECT_THAT(
      lines[1],
      ContainsRegex("^127.0.0.1:[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+[KMGT]iB/"));
  EXPECT_THAT(lines[2], HasSubstr("unreachable: connection refused"));
}

TEST_F(CtlTest, EveryCommandAnswersWithZeroWhenAllHostsDo) {
  const std::vector<std::vector<std::string>> commands = {
      {"list"},
      {"ping"},
      {"status"},
      {"cpu"},
      {"cpu", "--cores"},
      {"mem"},
      {"disk"},
      {"disk", "--io"},
      {"ps"},
      {"ps", "--sort", "mem", "-n", "3"}};
  for (const std::vector<std::string>& command : commands) {
    const Result result = Ask(agent_.host(), command);
    EXPECT_EQ(result.exit_code, 0) << command[0] << result.err;
    EXPECT_THAT(result.out, HasSubstr("127.0.0.1")) << command[0];
    EXPECT_EQ(result.err, "") << command[0];
  }
}

TEST_F(CtlTest, ListGivesIdsInTheOrderOfTheHosts) {
  const Result result = Ask(dead_ + "," + agent_.host(), {"list"});
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n');
  EXPECT_THAT(lines[0], ContainsRegex("^ID +HOST +PORT +STATUS$"));
  EXPECT_THAT(lines[1], ContainsRegex("^1 +127.0.0.1 +9 +offline"));
  EXPECT_THAT(lines[2], ContainsRegex("^2 +127.0.0.1 +[0-9]+ +connected$"));
}

TEST_F(CtlTest, JsonIsOneObjectForEachHostAndLine) {
  const Result result = Ask(agent_.host() + "," + dead_, {"status", "--json"});
  EXPECT_EQ(result.exit_code, 255);
  const std::vector<std::string> lines =
      absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2U);
  google::protobuf::Struct host;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(lines[0], &host).ok());
  EXPECT_EQ(host.fields().at("outcome").string_value(), "ok");
  EXPECT_TRUE(
      host.fields().at("status").struct_value().fields().contains("memory"));
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(lines[1], &host).ok());
  EXPECT_EQ(host.fields().at("outcome").string_value(), "unreachable");
  EXPECT_THAT(host.fields().at("reason").string_value(), HasSubstr("refused"));
}

TEST_F(CtlTest, RefusedCertificateIsExplained) {
  const Pki stranger;
  // Their certificate, and trust in our agent: only the agent's judgement is
  // left.
  const Result result = RunProgram(
      {Program("specula"), "--hosts", agent_.host(), "--ca",
       stranger.File("both.crt"), "--cert", stranger.File("viewer.crt"),
       "--key", stranger.File("viewer.key"), "status"});
  EXPECT_EQ(result.exit_code, 2);  // both.crt is not there yet
  const std::string both = ReadFile(pki_.File("ca.crt")).value() +
                           ReadFile(stranger.File("ca.crt")).value();
  ASSERT_TRUE(
      WriteFileAtomically(stranger.File("both.crt"), both, 0644, true).ok());
  const Result refused = RunProgram(
      {Program("specula"), "--hosts", agent_.host(), "--ca",
       stranger.File("both.crt"), "--cert", stranger.File("viewer.crt"),
       "--key", stranger.File("viewer.key"), "status"});
  EXPECT_EQ(refused.exit_code, 255);
  EXPECT_THAT(refused.out, HasSubstr("refused: "));
  EXPECT_THAT(refused.out, HasSubstr("does not accept this certificate"));
}

TEST_F(CtlTest, UnknownServerIsExplained) {
  const Pki stranger;
  const Result result = RunProgram(
      ControllerArguments(stranger, "viewer", agent_.host(), {"status"}));
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out,
              HasSubstr("refused: the server's certificate is not signed by"));
}

TEST_F(CtlTest, MalformedHostSetsAreUsageErrors) {
  for (const char* hosts :
       {"vm[3-1]", "vm[1-", "vm[1-1000000000]", "vm]", "a,,b", "vm:99999"}) {
    const Result result = Ask(hosts, {"status"});
    EXPECT_EQ(result.exit_code, 2) << hosts;
    EXPECT_THAT(result.err, StartsWith("specula: ")) << hosts;
    EXPECT_EQ(result.out, "") << hosts;
  }
}

TEST_F(CtlTest, NameThatDoesNotResolveIsSaid) {
  const Result result = Ask("nosuchhost.invalid", {"status"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out, HasSubstr("'nosuchhost.invalid' cannot be resolved"));
}

TEST_F(CtlTest, KeyThatOthersMayReadIsRefusedWithItsPath) {
  ASSERT_EQ(chmod(pki_.File("viewer.key").c_str(), 0604), 0);
  const Result result = Ask(agent_.host(), {"status"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(pki_.File("viewer.key")));
}

TEST_F(CtlTest, UnknownFlagsAndCommandsAreUsageErrors) {
  EXPECT_EQ(Ask(agent_.host(), {"status", "--nope"}).exit_code, 2);
  EXPECT_EQ(Ask(agent_.host(), {"nope"}).exit_code, 2);
  EXPECT_EQ(RunProgram({Program("specula")}).exit_code, 2);
  EXPECT_EQ(RunProgram({Program("specula"), "--help"}).exit_code, 0);
}

TEST_F(CtlTest, SettingsComeFromFlagsThenEnvironmentThenFile) {
  const std::string config = pki_.File("ctl.toml");
  ASSERT_TRUE(WriteFileAtomically(
                  config,
                  absl::StrCat("hosts = \"nosuchhost.invalid\"\nca = \"",
                               pki_.File("ca.crt"), "\"\ncert = \"",
                               pki_.File("viewer.crt"), "\"\nkey = \"",
                               pki_.File("viewer.key"), "\"\n"),
                  0600, true)
                  .ok());
  const std::vector<std::string> command = {Program("specula"), "--config",
                                            config, "mem"};
  EXPECT_THAT(RunProgram(command).out, HasSubstr("nosuchhost.invalid"));
  const std::string environment = absl::StrCat("SPECULA_HOSTS=", agent_.host());
  EXPECT_EQ(RunProgram(command, {environment}).exit_code, 0);
  std::vector<std::string> flags = command;
  flags.insert(flags.end(), {"--hosts", dead_});
  EXPECT_EQ(RunProgram(flags, {environment}).exit_code, 255);
}

TEST_F(CtlTest, WatchRepeatsAndCtrlCEndsItWith130) {
  Process watch({.arguments = ControllerArguments(pki_, "viewer", agent_.host(),
                                                  {"mem", "--watch", "0.2"})});
  EXPECT_TRUE(Eventually([&] {
    const std::string out = watch.Stdout();
    const size_t first = out.find("HOST");
    return first != std::string::npos &&
           out.find("HOST", first + 1) != std::string::npos;
  }));
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Wait(), 130);
}

TEST_F(CtlTest, CtrlCPrintsWhatCameFromTheOthers) {
  // A host that accepts connections and never says a word.
  Process silent(
      {.arguments = {
           "python3", "-c",
           "import socket,time\n"
           "s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\n"
           "print(s.getsockname()[1], flush=True)\ntime.sleep(600)"}});
  ASSERT_TRUE(Eventually([&] { return !silent.Stdout().empty(); }));
  const std::string port(absl::StripAsciiWhitespace(silent.Stdout()));
  Process status(
      {.arguments = ControllerArguments(
           pki_, "viewer", absl::StrCat(agent_.host(), ",127.0.0.1:", port),
           {"status", "--timeout", "600"})});
  absl::SleepFor(absl::Seconds(2));
  status.Signal(SIGINT);
  EXPECT_EQ(status.Wait(), 130);
  EXPECT_THAT(status.Stdout(),
              ContainsRegex("127.0.0.1:[0-9]+ +[0-9.]+ +[0-9.]+"));
  EXPECT_THAT(status.Stdout(), HasSubstr("interrupted"));
}

TEST_F(CtlTest, SilentHostCostsItsDeadlineAndNobodyElsesRow) {
  Process silent(
      {.arguments = {
           "python3", "-c",
           "import socket,time\n"
           "s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\n"
           "print(s.getsockname()[1], flush=True)\ntime.sleep(600)"}});
  ASSERT_TRUE(Eventually([&] { return !silent.Stdout().empty(); }));
  const std::string port(absl::StripAsciiWhitespace(silent.Stdout()));
  const Result result = Ask(absl::StrCat(agent_.host(), ",127.0.0.1:", port),
                            {"status", "--timeout", "2"});
  EXPECT_EQ(result.exit_code, 255);
  EXPECT_THAT(result.out, ContainsRegex("127.0.0.1:[0-9]+ +[0-9.]+ +[0-9.]+"));
  EXPECT_THAT(result.out, HasSubstr("no answer in time"));
}

TEST_F(CtlTest, NothingLandsOnAStandardDescriptorThatWasClosed) {
  std::vector<std::string> arguments = {"sh", "-c",
                                        "exec \"$0\" \"$@\" <&- >&- 2>&-"};
  for (const std::string& word : ControllerArguments(
           pki_, "operator", agent_.host(), {"exec", "--", "sleep", "98747"})) {
    arguments.push_back(word);
  }
  Process exec({.arguments = arguments});
  // Then its socket is open, and whatever else.
  ASSERT_TRUE(Eventually([] {
    return RunProgram({"pgrep", "-fx", "sleep 98747"}).exit_code == 0;
  }));
  for (const char* fd : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink(
                  absl::StrCat("/proc/", exec.pid(), "/fd/", fd)),
              "/dev/null");
  }
  exec.Signal(SIGINT);
  EXPECT_EQ(exec.Wait(), 130);
}

TEST(ClosedDescriptorTest, WhatCannotBePrintedIsNoSuccess) {
  auto run = [](const std::string& what) {
    return RunProgram({"sh", "-c", "\"$0\" " + what, Program("specula")});
  };
  for (const char* what :
       {"--version <&-", "--version 2>&-", "--help <&- 2>&-"}) {
    const Result result = run(what);
    EXPECT_EQ(result.exit_code, 0) << what;
    EXPECT_THAT(result.out, Not(::testing::IsEmpty())) << what;
  }
  for (const char* what : {"--version >&-", "--help <&- >&- 2>&-"}) {
    EXPECT_EQ(run(what).exit_code, 255) << what;
  }
}

TEST(PkiCommandTest, WritesWhatIsPromisedAndKeepsWhatIsThere) {
  const TemporaryDirectory directory;
  const std::string pki = directory.File("pki");
  auto run = [&](std::vector<std::string> words) {
    std::vector<std::string> arguments = {Program("specula"), "pki"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return RunProgram(arguments);
  };
  EXPECT_EQ(run({"init", pki}).exit_code, 0);
  EXPECT_EQ(run({"agent", pki, "vm1", "--san", "10.0.0.1", "--san", "vm1.lan"})
                .exit_code,
            0);
  EXPECT_EQ(run({"client", pki, "alice", "--role", "operator"}).exit_code, 0);
  EXPECT_EQ(run({"shim", pki, "edge"}).exit_code, 0);
  for (const char* name : {"ca", "vm1", "alice", "edge"}) {
    struct stat info;
    ASSERT_EQ(stat(absl::StrCat(pki, "/", name, ".key").c_str(), &info), 0)
        << name;
    EXPECT_EQ(info.st_mode & 07777, 0600U) << name;
  }
  EXPECT_EQ(
      RunProgram({"openssl", "verify", "-CAfile", pki + "/ca.crt",
                  pki + "/vm1.crt", pki + "/alice.crt", pki + "/edge.crt"})
          .exit_code,
      0);
  const Result again = run({"client", pki, "alice", "--role", "admin"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("--force"));
  const Result show = run({"show", pki + "/vm1.crt"});
  EXPECT_THAT(show.out, HasSubstr("spiffe://specula.local/specula/agent/vm1"));
  EXPECT_THAT(show.out, HasSubstr("10.0.0.1"));
  EXPECT_EQ(run({"client", pki, "bob", "--role", "root"}).exit_code, 2);
  EXPECT_EQ(run({"client", pki, "../bob", "--role", "viewer"}).exit_code, 2);
  EXPECT_EQ(run({"revoke", pki, pki + "/alice.crt"}).exit_code, 0);
  EXPECT_EQ(run({"revoke", pki, "not-a-serial"}).exit_code, 2);
}

TEST(DoctorCommandTest, TheDoctorNamesWhoAllowsSomethingElse) {
  const Pki pki;
  const TemporaryDirectory second, third;
  const AgentProcess usual(pki);
  const AgentProcess same(
      pki, {.arguments = {absl::StrCat("--state-dir=", second.path())}});
  const AgentProcess other(
      pki, {.arguments = {absl::StrCat("--state-dir=", third.path()),
                          "--commands=false"}});
  const auto ask = [&](const std::string& hosts,
                       std::vector<std::string> command) {
    return RunProgram(
        ControllerArguments(pki, "viewer", hosts, std::move(command)));
  };
  const Result well =
      ask(absl::StrCat(usual.host(), ",", same.host()), {"doctor"});
  EXPECT_EQ(well.exit_code, 0) << well.out << well.err;
  const std::string all =
      absl::StrCat(usual.host(), ",", same.host(), ",", other.host());
  const Result one = ask(all, {"doctor"});
  EXPECT_EQ(one.exit_code, 1) << one.err;
  const std::vector<std::string> lines = absl::StrSplit(one.out, '\n');
  ASSERT_EQ(lines.size(), 5U) << one.out << one.err;
  EXPECT_THAT(lines[1], StartsWith(other.host()));
  EXPECT_THAT(lines[1], HasSubstr("ceiling "));
  EXPECT_THAT(lines[1], HasSubstr(", most have "));
  const Result json = ask(all, {"doctor", "--json"});
  EXPECT_EQ(json.exit_code, 1) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"findings\":[]}"));
  EXPECT_THAT(json.out, HasSubstr("\"findings\":[\"ceiling "));
  EXPECT_THAT(json.out, HasSubstr("\"supervision\":\""));
  EXPECT_THAT(json.out, HasSubstr("\"state_available_bytes\":\""));
}

TEST(DoctorCommandTest, AFileSystemThatTurnedReadOnlyNeedsAHand) {
  const Pki pki;
  const TemporaryDirectory host;
  std::filesystem::create_directories(host.File("proc/1"));
  std::ofstream(host.File("proc/1/mountinfo"))
      << "27 1 8:1 / / ro,relatime - ext4 /dev/sda1 ro,errors=remount-ro\n";
  const AgentProcess agent(
      pki, {.arguments = {absl::StrCat("--proc-root=", host.path())}});
  const auto ask = [&](std::vector<std::string> command) {
    return RunProgram(
        ControllerArguments(pki, "viewer", agent.host(), std::move(command)));
  };
  const Result doctor = ask({"doctor"});
  EXPECT_EQ(doctor.exit_code, 1) << doctor.out << doctor.err;
  EXPECT_THAT(doctor.out, HasSubstr("file system turned read-only: /: "));
  EXPECT_THAT(ask({"status"}).out, HasSubstr("READ-ONLY "));
  EXPECT_THAT(ask({"disk"}).out, HasSubstr("turned read-only"));
}

}  // namespace
}  // namespace specula::testing
