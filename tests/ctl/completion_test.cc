// The scripts of `specula completion` in the shells that they are for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using Words = std::vector<std::string>;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    std::ofstream(directory_.File("inventory"))
        << "vm[1:2]\ndb1\n[web]\nvm1\nvm2\n";
  }

  Words Environment() const {
    return {absl::StrCat(
                "PATH=",
                Program("specula").substr(0, Program("specula").rfind('/')),
                ":/usr/bin:/bin"),
            absl::StrCat("HOME=", directory_.path()),
            absl::StrCat("SPECULA_INVENTORY=", directory_.File("inventory"))};
  }

  Words Lines(const Words& command) const {
    const Result result = RunProgram(command, Environment());
    EXPECT_EQ(result.err, "");
    return absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  }

  // What bash puts in place of the word before the cursor.
  Words Bash(const std::string& line) const {
    return Lines({"bash", "-c",
                  "source <(specula completion bash); COMP_LINE=$1; "
                  "COMP_POINT=${#1}; _specula; printf '%s\\n' "
                  "\"${COMPREPLY[@]}\"",
                  "-", line});
  }

  const TemporaryDirectory directory_;
};

TEST_F(CompletionTest, BashHasCommandsOptionsAndChoices) {
  EXPECT_THAT(Bash("specula ru"), ElementsAre("runs"));
  EXPECT_THAT(Bash("specula "), Contains("exec"));
  EXPECT_THAT(Bash("specula "), Not(Contains("__complete")));
  EXPECT_THAT(Bash("specula pki rev"), ElementsAre("revoke"));
  EXPECT_THAT(Bash("specula exec --can"), ElementsAre("--canary"));
  EXPECT_THAT(Bash("specula exec --inven"), ElementsAre("--inventory"))
      << "the fleet's options stand behind the command too";
  EXPECT_THAT(Bash("specula ps --sort "), UnorderedElementsAre("cpu", "mem"));
  EXPECT_THAT(Bash("specula ps --sort=m"), ElementsAre("mem"));
  EXPECT_THAT(Bash("specula completion "),
              UnorderedElementsAre("bash", "fish", "zsh"));
}

TEST_F(CompletionTest, BashHasHostsGroupsAndNoMoreBehindTheProgram) {
  EXPECT_THAT(
      Bash("specula exec "),
      UnorderedElementsAre("vm1", "vm2", "db1", "@all", "@ungrouped", "@web"));
  EXPECT_THAT(Bash("specula exec vm"), UnorderedElementsAre("vm1", "vm2"));
  EXPECT_THAT(Bash("specula exec vm1,d"), ElementsAre("vm1,db1"));
  EXPECT_THAT(Bash("specula --hosts d"), ElementsAre("db1"));
  EXPECT_THAT(Bash("specula --hosts=d"), ElementsAre("db1"));
  EXPECT_THAT(Bash("specula exec vm1 -- "), ElementsAre());
  EXPECT_THAT(Bash("specula exec vm[1-"), ElementsAre());
}

TEST_F(CompletionTest, ADeadNameServerIsNotAsked) {
  EXPECT_THAT(Bash("specula --inventory dns:///nowhere.invalid exec "),
              ElementsAre());
}

TEST_F(CompletionTest, Zsh) {
  // As its completion system calls it, but for that compadd only prints.
  const Words words = Lines(
      {"zsh", "-fc",
       "compdef() {}; compadd() { print -l -- $candidates }; _files() { print "
       "files }; source <(specula completion zsh); call() { local "
       "words=(\"$@\") "
       "CURRENT=$# PREFIX=$@[-1]; _specula }; call specula ru; call specula "
       "exec d; call specula exec vm1 -- ''"});
  EXPECT_THAT(words, ElementsAre("runs", "db1", "files"));
}

TEST_F(CompletionTest, Fish) {
  const Words words =
      Lines({"fish", "-Nc",
             "specula completion fish | source; complete -C 'specula ru'; "
             "complete -C 'specula exec d'"});
  EXPECT_THAT(words, ElementsAre("runs\tThe batches that were run from here, "
                                 "the newest first",
                                 "db1\thost"));
}

}  // namespace
}  // namespace specula::testing
