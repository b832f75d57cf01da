#include "ctl/console/line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ConsoleLine> Parse(absl::string_view line) {
  return ParseConsoleLine(line, [](absl::string_view word) {
    return word == "2" || word == "vm1" || word.substr(0, 1) == "@";
  });
}

// "VERB|hosts|text|pid|force".
std::string Show(absl::string_view line) {
  const absl::StatusOr<ConsoleLine> parsed = Parse(line);
  if (!parsed.ok()) return std::string(parsed.status().message());
  return absl::StrCat(static_cast<int>(parsed->verb), "|", parsed->hosts, "|",
                      parsed->text, "|", parsed->pid, "|", parsed->force);
}

std::string Expect(Verb verb, const std::string& hosts = "",
                   const std::string& text = "", int64_t pid = 0,
                   bool force = false) {
  return absl::StrCat(static_cast<int>(verb), "|", hosts, "|", text, "|", pid,
                      "|", force);
}

TEST(ConsoleLineTest, LinesOfTheWorkflow) {
  EXPECT_EQ(Show("LIST"), Expect(Verb::kList));
  EXPECT_EQ(Show("s"), Expect(Verb::kStatus));
  EXPECT_EQ(Show("STATUS"), Expect(Verb::kStatus));
  EXPECT_EQ(Show("EXEC uptime"), Expect(Verb::kExec, "", "uptime"));
  EXPECT_EQ(Show("EXEC 2 ps aux"), Expect(Verb::kExec, "2", "ps aux"));
  EXPECT_EQ(Show("START sleep 5"), Expect(Verb::kStart, "", "sleep 5"));
  EXPECT_EQ(Show("KILL 2 1234"), Expect(Verb::kKill, "2", "", 1234));
  EXPECT_EQ(Show("KILL 2 1234 force"),
            Expect(Verb::kKill, "2", "", 1234, true));
  EXPECT_EQ(Show("TAIL 2 /var/log/syslog"),
            Expect(Verb::kTail, "2", "/var/log/syslog"));
  EXPECT_EQ(Show("BYE"), Expect(Verb::kBye));
}

TEST(ConsoleLineTest, CaseBlanksAndShortForms) {
  EXPECT_EQ(Show("  exec \t vm1   echo  a  b \r"),
            Expect(Verb::kExec, "vm1", "echo  a  b"));
  EXPECT_EQ(Show("quit"), Expect(Verb::kBye));
  EXPECT_EQ(Show("?"), Expect(Verb::kHelp));
  EXPECT_EQ(Show("status @web"), Expect(Verb::kStatus, "@web"));
  EXPECT_EQ(Show("kill 1234 FORCE"), Expect(Verb::kKill, "", "", 1234, true));
  EXPECT_EQ(Show(""), Expect(Verb::kNothing));
  EXPECT_EQ(Show("# a note"), Expect(Verb::kNothing));
}

TEST(ConsoleLineTest, AWordThatCouldBeAHostIsOneOnlyBeforeSomethingElse) {
  EXPECT_EQ(Show("EXEC vm1"), Expect(Verb::kExec, "", "vm1"));
  EXPECT_EQ(Show("EXEC 3 ps"), Expect(Verb::kExec, "", "3 ps"));
  EXPECT_EQ(Show("EXEC ls 2"), Expect(Verb::kExec, "", "ls 2"));
  EXPECT_EQ(Show("TAIL /a b"), Expect(Verb::kTail, "", "/a b"));
}

TEST(ConsoleLineTest, WhatIsOddIsExplained) {
  EXPECT_THAT(Show("FROBNICATE now"), HasSubstr("HELP shows them"));
  EXPECT_THAT(Show("EXEC"), HasSubstr("use: EXEC [HOSTS] LINE"));
  EXPECT_THAT(Show("KILL"), HasSubstr("use: KILL HOST PID"));
  EXPECT_THAT(Show("KILL 2 init"), HasSubstr("'init' is no number"));
  EXPECT_THAT(Show("KILL 2 1"), HasSubstr("is no number of 2 or more"));
  EXPECT_THAT(Show("KILL 2 3 4"), HasSubstr("use: KILL"));
  EXPECT_THAT(Show("STATUS vm1 vm2"), HasSubstr("use: STATUS"));
  EXPECT_THAT(Show("BYE BYE"), HasSubstr("use: BYE"));
  EXPECT_THAT(Show("\033[2J"), HasSubstr("\\x1b[2J"));
  EXPECT_THAT(Show("EXEC " + std::string(2 << 20, 'x')), HasSubstr("longer"));
}

TEST(ConsoleLineTest, WordsAreCompleted) {
  const std::vector<std::string> hosts = {"vm1", "vm2", "web", "1", "@rack"};
  EXPECT_THAT(CompleteConsoleLine("P", hosts).words, ElementsAre("PING", "PS"));
  EXPECT_THAT(CompleteConsoleLine("st", hosts).words,
              ElementsAre("status", "start"));
  EXPECT_THAT(CompleteConsoleLine("EXEC v", hosts).words,
              ElementsAre("vm1", "vm2"));
  EXPECT_EQ(CompleteConsoleLine("EXEC v", hosts).word, 1);
  EXPECT_THAT(CompleteConsoleLine("TAIL @", hosts).words, ElementsAre("@rack"));
  EXPECT_EQ(CompleteConsoleLine("STATUS ", hosts).words.size(), hosts.size());
  EXPECT_THAT(CompleteConsoleLine("x", hosts).words, IsEmpty());
}

}  // namespace
}  // namespace specula::ctl
