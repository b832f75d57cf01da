#include "shim/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "lib/base/file.h"

namespace specula::shim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TokenSet Read(absl::string_view text) {
  absl::StatusOr<TokenSet> tokens = TokenSet::Parse(text, "F");
  EXPECT_TRUE(tokens.ok()) << tokens.status();
  return tokens.ok() ? *std::move(tokens) : TokenSet();
}

TEST(TokenTest, FileGivesEachTokenItsRoleAndName) {
  const TokenSet tokens =
      Read("# comment\nfirst\n\nviewer:second\r\noperator:third:x\nadmin:4");
  ASSERT_EQ(tokens.holders().size(), 4u);
  ASSERT_NE(tokens.Find("first"), nullptr);
  EXPECT_EQ(tokens.Find("first")->name, "token 2");
  EXPECT_EQ(tokens.Find("first")->role, Role::kOperator);
  ASSERT_NE(tokens.Find("second"), nullptr);
  EXPECT_EQ(tokens.Find("second")->name, "token 4");
  EXPECT_EQ(tokens.Find("second")->role, Role::kViewer);
  ASSERT_NE(tokens.Find("third:x"), nullptr);
  EXPECT_EQ(tokens.Find("third:x")->role, Role::kOperator);
  ASSERT_NE(tokens.Find("4"), nullptr);
  EXPECT_EQ(tokens.Find("4")->role, Role::kAdmin);
}

TEST(TokenTest, OnlyTheWholeTokenIsRight) {
  const TokenSet tokens = Read("secret\n");
  for (absl::string_view wrong :
       {"", "secre", "secrets", "Secret", "secret ", "# comment", "token 1"}) {
    EXPECT_EQ(tokens.Find(wrong), nullptr) << wrong;
  }
}

TEST(TokenTest, BadFilesAreNamedByLineAndNeverByToken) {
  const std::string bad[] = {"good\nviewer:",
                             "good\noperater:hidden",
                             "good\nagent:hidden",
                             "good\nshim:hidden",
                             "good\nhid den",
                             "good\n hidden",
                             "good\nhid\x01"
                             "den",
                             "good\ngood",
                             "good\nviewer:good",
                             absl::StrCat("good\n", std::string(508, 'h'))};
  for (const std::string& text : bad) {
    const absl::Status status = TokenSet::Parse(text, "F").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("F:2: "));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hid")));
  }
  for (const char* none : {"", "\n", "\n \n", "# only\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(TokenSet::Parse(none, "F").status()));
  }
  EXPECT_TRUE(TokenSet::Parse(std::string(507, 'h'), "F").ok());
}

TEST(TokenTest, FileThatOthersMayReadIsRefused) {
  std::string path = "/tmp/specula-token-XXXXXX";
  close(mkstemp(path.data()));
  std::ofstream(path) << "secret\n";
  EXPECT_TRUE(TokenSet::Load(path).ok());
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  const absl::Status status = TokenSet::Load(path).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  unlink(path.c_str());
  EXPECT_TRUE(absl::IsNotFound(TokenSet::Load(path).status()));
}

TEST(TokenTest, EnvironmentGivesOneOperator) {
  absl::StatusOr<TokenSet> tokens = TokenSet::FromEnvironment("viewer:x y");
  ASSERT_TRUE(tokens.ok());
  ASSERT_NE(tokens->Find("viewer:x y"), nullptr);
  EXPECT_EQ(tokens->Find("viewer:x y")->name, "MON_TOKEN");
  EXPECT_EQ(tokens->Find("viewer:x y")->role, Role::kOperator);
  EXPECT_TRUE(absl::IsInvalidArgument(TokenSet::FromEnvironment("").status()));
}

TEST(TokenTest, EnvironmentIsWiped) {
  // Its own buffer, so that its bytes can be looked at afterwards.
  static char entry[] = "SPECULA_TEST_TOKEN=hidden";
  ASSERT_EQ(putenv(entry), 0);
  std::string value;
  EXPECT_TRUE(TakeFromEnvironment("SPECULA_TEST_TOKEN", value));
  EXPECT_EQ(value, "hidden");
  EXPECT_EQ(getenv("SPECULA_TEST_TOKEN"), nullptr);
  EXPECT_EQ(std::string(entry + sizeof "SPECULA_TEST_TOKEN", 6),
            std::string(6, '\0'));
  EXPECT_FALSE(TakeFromEnvironment("SPECULA_TEST_TOKEN", value));
}

}  // namespace
}  // namespace specula::shim
