#include "shim/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shim/reply.h"

namespace specula::shim {

// For messages of failed tests.
void PrintTo(const Command& command, std::ostream* out) {
  *out << static_cast<int>(command.verb) << " '" << command.text << "' "
       << command.number << (command.force ? " force" : "");
}
void PrintTo(Error error, std::ostream* out) { *out << ErrorReply(error); }

namespace {

using ::testing::ElementsAre;
using ::testing::Optional;
using Parsed = std::variant<Command, Error>;
using std::string_literals::operator""s;

struct Case {
  std::string payload;
  Parsed parsed;
};

TEST(CommandTest, IsReadAsTheDocumentHasIt) {
  const Error bad = Error::kBadRequest;
  const Error unknown = Error::kUnknownCommand;
  const Case cases[] = {
      {"AUTH secret", Command{Verb::kAuth, "secret"}},
      {"AUTH two words", Command{Verb::kAuth, "two words"}},
      {"AUTH ", Command{Verb::kAuth, ""}},
      {"AUTH", bad},
      {"PING", Command{Verb::kPing}},
      {"STATUS", Command{Verb::kStatus}},
      {"CPU", Command{Verb::kCpu}},
      {"MEM", Command{Verb::kMem}},
      {"DISK", Command{Verb::kDisk}},
      {"BYE", Command{Verb::kBye}},
      // One newline at the end is not the command's.
      {"STATUS\n", Command{Verb::kStatus}},
      {"STATUS\r\n", Command{Verb::kStatus}},
      {"STATUS\n\n", unknown},
      {"EXEC ls\n", Command{Verb::kExec, "ls"}},
      {"EXEC ls\n\n", Command{Verb::kExec, "ls\n"}},
      {"EXEC a\nb", Command{Verb::kExec, "a\nb"}},
      {"EXEC  ls  -l ", Command{Verb::kExec, " ls  -l "}},
      {"EXEC /usr/bin/uptime", Command{Verb::kExec, "/usr/bin/uptime"}},
      {"EXEC \xc3\xa4", Command{Verb::kExec, "\xc3\xa4"}},
      {"EXEC \xe4", bad},
      {"EXEC", bad},
      {"EXEC ", bad},
      {"EXEC   ", bad},
      {"EXEC \n", bad},
      {"START sleep 5", Command{Verb::kStart, "sleep 5"}},
      {"START", bad},
      {"TAIL /var/log/a b", Command{Verb::kTail, "/var/log/a b"}},
      {"TAIL", bad},
      {"KILL 42", Command{Verb::kKill, "", 42}},
      {"KILL 42 force", Command{Verb::kKill, "", 42, true}},
      {"KILL 42 force\n", Command{Verb::kKill, "", 42, true}},
      {"KILL", bad},
      {"KILL ", bad},
      {"KILL 0", bad},
      {"KILL -1", bad},
      {"KILL +1", bad},
      {"KILL 042", bad},
      {"KILL 4x", bad},
      {"KILL  42", bad},
      {"KILL 42 ", bad},
      {"KILL 42 now", bad},
      {"KILL 42 force force", bad},
      {"KILL force", bad},
      {"KILL 18446744073709551615", bad},
      {"KILL 4294967295", Command{Verb::kKill, "", 4294967295}},
      {"STOP 1", Command{Verb::kStop, "", 1}},
      {"STOP", bad},
      {"STOP x", bad},
      {"PING ", bad},
      {"PING x", bad},
      {"BYE now", bad},
      {"LIST", unknown},
      {"ping", unknown},
      {"PINGX", unknown},
      {" PING", unknown},
      {"PING\tx", unknown},
      {"GET / HTTP/1.1", unknown},
      {"", bad},
      {"\n", bad},
      {"\r\n", bad},
      {"PI\0NG"s, bad},
      {"\0"s, bad},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ParseCommand(c.payload), c.parsed) << "'" << c.payload << "'";
  }
}

TEST(CommandTest, ViewerOnlyLooks) {
  for (Verb verb : {Verb::kPing, Verb::kStatus, Verb::kCpu, Verb::kMem,
                    Verb::kDisk, Verb::kBye, Verb::kAuth}) {
    EXPECT_TRUE(Allows(Role::kViewer, verb));
    EXPECT_TRUE(Allows(Role::kOperator, verb));
    EXPECT_FALSE(Allows(Role::kAgent, verb));
  }
  for (Verb verb :
       {Verb::kExec, Verb::kStart, Verb::kKill, Verb::kTail, Verb::kStop}) {
    EXPECT_FALSE(Allows(Role::kViewer, verb));
    EXPECT_TRUE(Allows(Role::kOperator, verb));
    EXPECT_TRUE(Allows(Role::kAdmin, verb));
  }
}

TEST(CommandTest, PlainWordsNeedNoShell) {
  EXPECT_THAT(PlainWords("/no/such/program"),
              Optional(ElementsAre("/no/such/program")));
  EXPECT_THAT(PlainWords(" sleep\t 5  --x=1,2 "),
              Optional(ElementsAre("sleep", "5", "--x=1,2")));
  for (const char* line :
       {"a;b",    "a|b",     "a&",        "a>b",   "a <b",  "$a",    "a $b",
        "a 'b'",  "a \"b\"", "a \\b",     "a `b`", "a (b)", "a b*",  "a ?",
        "a [b]",  "a {b}",   "~/a",       "a ~",   "a #b",  "a=b c", "a\nb",
        "exec a", "cd /",    "if a",      "! a",   ": x",   "a !b",  "a ^b",
        "",       " ",       "a \xc3\xa4"}) {
    EXPECT_FALSE(PlainWords(line).has_value()) << line;
  }
}

TEST(CommandTest, FirstProgramIsFoundBehindAssignments) {
  EXPECT_EQ(FirstProgram("sleep 5 >/dev/null"), "sleep");
  EXPECT_EQ(FirstProgram("  /no/such>x"), "/no/such");
  EXPECT_EQ(FirstProgram("A=1 B=x/y /no/such 'q'"), "/no/such");
  EXPECT_EQ(FirstProgram("a;b"), "a");
  EXPECT_EQ(FirstProgram("a\nb"), "a");
  for (const char* line :
       {"", "cd / && a", "'a' b", "\"a\"", "$a", "a$b", "a'b'", "(a)", "`a`",
        "A='x y' b", "if a; then b; fi", "{ a; }", "a()", "~/a", "A=1"}) {
    EXPECT_EQ(FirstProgram(line), "") << line;
  }
}

}  // namespace
}  // namespace specula::shim
