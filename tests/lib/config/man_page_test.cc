#include "lib/config/man_page.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/config/option_text.h"
#include "lib/config/roff.h"

namespace specula {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RoffTest, WhatIsTypedStaysWhatItIs) {
  EXPECT_EQ(RoffLiteral("--dry-run"), "\\-\\-dry\\-run");
  EXPECT_EQ(RoffLiteral("a\\b 'c' \"d\" `e` ^f ~g"),
            "a\\eb \\(aqc\\(aq \\(dqd\\(dq \\(gae\\(ga \\(haf \\(tig");
  EXPECT_EQ(RoffLiteral("ARG…"), "ARG\\[u2026]");
  EXPECT_EQ(RoffLiteral("\xff"), "\\[uFFFD]");
  EXPECT_EQ(RoffLiteral("a\x1b[1m"), "a [1m");
}

TEST(RoffTest, NoLineIsARequest) {
  EXPECT_EQ(RoffLines(".so /etc/passwd\n'br\nplain"),
            "\\&.so /etc/passwd\n\\(aqbr\nplain\n");
  EXPECT_EQ(RoffProse(".so x"), "\\&.so x\n");
  EXPECT_EQ(RoffLines(""), "");
  EXPECT_EQ(RoffProse(" \n "), "");
}

TEST(RoffTest, ProseIsFilledAndWrapped) {
  EXPECT_EQ(RoffProse("a well-known\n  word (--force)"),
            "a well-known word (\\-\\-force)\n");
  const std::string page =
      RoffProse(std::string(60, 'a') + " " + std::string(60, 'b') + " .c");
  EXPECT_EQ(page, std::string(60, 'a') + "\n" + std::string(60, 'b') + " .c\n");
  // The dot that comes to stand first.
  EXPECT_THAT(RoffProse(std::string(78, 'a') + " .c"), HasSubstr("\n\\&.c\n"));
}

// A program with an option of each kind and commands in two levels.
class ManPageTest : public ::testing::Test {
 protected:
  ManPageTest() {
    app_.formatter(std::make_shared<HelpFormatter>());
    app_.set_version_flag("--version", "1.2-rc");
    app_.add_option("-p,--port", port_, "Where to serve")
        ->envname("TOOL_PORT")
        ->check(CLI::Range(1, 65535))
        ->capture_default_str();
    app_.add_option("--secret", text_, "Hidden")->group("");
    app_.footer("Exit code: 0.\n\nExample: tool -p 7 go");
    CLI::App* go = app_.add_subcommand("go", "Go there: go PLACE, or go --on");
    go->add_option("PLACE", text_, "Where")->required();
    go->add_option("--how", text_, "In what way")
        ->check(CLI::IsMember({"fast", "slow"}));
    go->footer("a   b\n.c  d\n\nExamples: tool go x\n          tool go y");
    app_.add_subcommand("inner", "Not for people")->group("");
    CLI::App* keys = app_.add_subcommand("keys", "Of keys");
    keys->require_subcommand(1);
    keys->add_subcommand("make", "Make one")->footer("Example: tool keys make");
  }

  std::string Page() {
    ManText text;
    text.section = 8;
    text.summary = "do things";
    text.description = "One.\n\nTwo.";
    text.exit_status = {{"0", "Good."}};
    text.see_also = {"other(1)", "third(5)"};
    return ManPage(app_, text, "2026-01-02");
  }

  CLI::App app_{"A tool.", "tool"};
  int port_ = 70;
  std::string text_;
};

TEST_F(ManPageTest, HasAHeadAndItsSectionsInOrder) {
  const std::string page = Page();
  EXPECT_THAT(page,
              HasSubstr(".TH TOOL 8 \"2026-01-02\" \"Specula 1.2\\-rc\""));
  EXPECT_THAT(page, HasSubstr(".SH NAME\ntool \\- do things\n"));
  size_t at = 0;
  for (const char* section :
       {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXAMPLES",
        "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"}) {
    const size_t found = page.find(std::string(".SH ") + section + "\n", at);
    ASSERT_NE(found, std::string::npos) << section;
    at = found;
  }
  EXPECT_THAT(page, HasSubstr(".BR other (1),\n.BR third (5)\n"));
}

TEST_F(ManPageTest, AnOptionSaysRangeDefaultAndVariable) {
  EXPECT_THAT(Page(), HasSubstr("\\fB\\-p\\fR, \\fB\\-\\-port\\fR \\fIN\\fR\n"
                                "Where to serve. From 1 to 65535. Default: 70. "
                                "Environment: TOOL_PORT."));
  EXPECT_THAT(Page(), HasSubstr("\\fBTOOL_PORT\\fR\nStands for \\-\\-port.\n"));
}

TEST_F(ManPageTest, CommandsHaveTheFormsOfTheirDescription) {
  const std::string page = Page();
  EXPECT_THAT(page,
              HasSubstr(".SS \\fBtool go\\fR\n\\fBtool go\\fR PLACE\n.br\n"
                        "\\fBtool go\\fR \\-\\-on\n.PP\nGo there.\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-how\\fR \\fIfast|slow\\fR"));
  EXPECT_THAT(page, HasSubstr(".SS \\fBtool keys make\\fR\n"));
  EXPECT_THAT(page, HasSubstr(".nf\na   b\n\\&.c  d\n.fi\n"));
  EXPECT_THAT(page, HasSubstr(".nf\ntool go x\ntool go y\n.fi\n"));
}

TEST_F(ManPageTest, WhatIsHiddenInHelpIsNotThere) {
  EXPECT_THAT(Page(), Not(HasSubstr("secret")));
  EXPECT_THAT(Page(), Not(HasSubstr("inner")));
}

TEST_F(ManPageTest, HelpSaysTheSame) {
  EXPECT_THAT(app_.help(),
              HasSubstr("-p,--port N=70 (1 to 65535) (Env:TOOL_PORT)"));
  EXPECT_THAT(app_.get_subcommand("go")->help(), HasSubstr("--how fast|slow"));
  EXPECT_THAT(app_.get_subcommand("go")->help(), HasSubstr("  PLACE REQUIRED"));
}

}  // namespace
}  // namespace specula
