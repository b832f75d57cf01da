#include "ctl/command_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Words = std::optional<std::vector<std::string>>;

TEST(CommandOptionsTest, WordsAreTakenAsTheyAre) {
  absl::StatusOr<v1::Command> command = MakeCommand(
      {}, Words({"prog", "", "a b", "--flag", "[x,y]", "--", "$HOME", "\n"}));
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_THAT(
      command->argv().arguments(),
      ElementsAre("prog", "", "a b", "--flag", "[x,y]", "--", "$HOME", "\n"));
}

TEST(CommandOptionsTest, EitherWordsOrALine) {
  CommandOptions line;
  line.shell = "echo $HOME | wc";
  EXPECT_EQ(MakeCommand(line, std::nullopt)->shell(), "echo $HOME | wc");
  EXPECT_FALSE(MakeCommand(line, Words({"true"})).ok());
  for (const Words& words : {Words(), Words({}), Words({""})}) {
    EXPECT_THAT(std::string(MakeCommand({}, words).status().message()),
                HasSubstr("what to run is missing"));
  }
}

TEST(CommandOptionsTest, EverythingGetsIntoTheMessage) {
  CommandOptions options;
  options.user = "nobody";
  options.directory = "/tmp";
  options.environment = {"A=1", "B=x=y", "C=", "A=2"};
  options.grace = "250ms";
  options.timeout = "1.5";
  options.output_limit = "64K";
  options.merge = true;
  const v1::Command command = *MakeCommand(options, Words({"true"}));
  EXPECT_EQ(command.user(), "nobody");
  EXPECT_EQ(command.working_directory(), "/tmp");
  EXPECT_EQ(command.environment().at("A"), "2");
  EXPECT_EQ(command.environment().at("B"), "x=y");
  EXPECT_EQ(command.environment().at("C"), "");
  EXPECT_EQ(command.grace().nanos(), 250'000'000);
  EXPECT_EQ(command.timeout().seconds(), 1);
  EXPECT_EQ(command.timeout().nanos(), 500'000'000);
  EXPECT_EQ(command.output_limit_bytes(), 64 << 10);
  EXPECT_TRUE(command.merge_stderr());
}

TEST(CommandOptionsTest, WhatIsNotSaidIsLeftToTheHost) {
  const v1::Command command = *MakeCommand({}, Words({"true"}));
  EXPECT_FALSE(command.has_timeout());
  EXPECT_FALSE(command.has_grace());
  EXPECT_EQ(command.output_limit_bytes(), 0);
}

TEST(CommandOptionsTest, MistakesAreNamed) {
  auto why = [](const CommandOptions& options) {
    return std::string(
        MakeCommand(options, Words({"true"})).status().message());
  };
  EXPECT_THAT(why({.environment = {"A"}}), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(why({.environment = {"=x"}}), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(why({.grace = "soon"}), HasSubstr("--grace: 'soon'"));
  EXPECT_THAT(why({.timeout = "0"}), HasSubstr("--timeout"));
  EXPECT_THAT(why({.output_limit = "0"}), HasSubstr("--output-limit"));
  EXPECT_THAT(why({.user = "\xff"}), HasSubstr("--user is not UTF-8"));
  EXPECT_THAT(
      std::string(MakeCommand({}, Words({"ls", "\xff"})).status().message()),
      HasSubstr("an argument is not UTF-8: \\xff"));
}

}  // namespace
}  // namespace specula::ctl
