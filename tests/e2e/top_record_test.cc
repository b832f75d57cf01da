// `specula top --record` and --replay, through the command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/top_terminal.h"

namespace specula::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TopRecordTest : public ::testing::Test {
 protected:
  void Record() {
    terminal_.Open(120, 30);
    terminal_.Start("--interval 300ms --record " + file_, "viewer");
    ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN")) << terminal_->Screen();
    ASSERT_TRUE(terminal_->Shows("REC ")) << terminal_->Screen();
  }
  // Until what is seen now is in the file: events are there within a second,
  // so that twice a growth is after it.
  void AwaitGrowth() const {
    for (int i = 0; i < 2; ++i) {
      const int64_t before = Size();
      ASSERT_TRUE(Eventually([&] { return Size() > before; }));
    }
  }
  int64_t Size() const {
    struct stat file = {};
    return stat(file_.c_str(), &file) == 0 ? int64_t{file.st_size} : 0;
  }
  // No flag that a replay does not need.
  Result Replay(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words = {Program("specula"), "top", "--replay",
                                      file_};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return RunProgram(words);
  }

  Pki pki_;
  AgentProcess one_{pki_};
  AgentProcess two_{pki_, {.arguments = {"--state-dir", pki_.File("state2")}}};
  TopTerminal terminal_{
      pki_, absl::StrCat(one_.host(), ",", two_.host(), ",127.0.0.1:1")};
  const std::string file_ = terminal_.directory().File("past.rec");
};

TEST_F(TopRecordTest, WhatAKilledTableSawIsShownAgain) {
  Record();
  AwaitGrowth();
  ASSERT_EQ(kill(terminal_->Child(), SIGKILL), 0);
  const Result table = Replay({"--once"});
  EXPECT_EQ(table.exit_code, 255);  // one is down
  EXPECT_EQ(table.err, "");
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("3 hosts  2 up  1 DOWN"), HasSubstr(one_.host()),
                    HasSubstr("x 127.0.0.1:1")));
  const Result json = Replay({"--once", "--json"});
  EXPECT_THAT(
      json.out,
      AllOf(HasSubstr(absl::StrCat("\"host\":\"127.0.0.1\",\"port\":",
                                   one_.address().port, ",\"outcome\":\"ok\"")),
            HasSubstr("\"status\":{"),
            HasSubstr("\"outcome\":\"unreachable\"")));
  // Wherever the file is cut, what is before can be read.
  const int64_t whole = Size();
  for (const int64_t size : {whole - 1, whole / 2, whole / 4}) {
    ASSERT_EQ(truncate(file_.c_str(), size), 0);
    const Result cut = Replay({"--once"});
    EXPECT_EQ(cut.exit_code, 255) << size;
    EXPECT_THAT(cut.out, HasSubstr("3 hosts  ")) << size;
  }
  ASSERT_EQ(truncate(file_.c_str(), 20), 0);
  const Result head = Replay({"--once"});
  EXPECT_EQ(head.exit_code, 2);
  EXPECT_THAT(head.err, HasSubstr("ends within its head"));
}

TEST_F(TopRecordTest, ATimeBeforeAnIncidentIsGoneBackTo) {
  Record();
  AwaitGrowth();
  const absl::Time up = absl::Now();
  AwaitGrowth();
  two_.process().Signal(SIGKILL);
  ASSERT_TRUE(terminal_->Shows("1 up  2 DOWN")) << terminal_->Screen();
  terminal_->Type("q");
  ASSERT_TRUE(terminal_->Shows("ended=0"));
  EXPECT_THAT(Replay({"--once"}).out, HasSubstr("1 up  2 DOWN"));
  EXPECT_THAT(
      Replay({"--once", "--at",
              absl::FormatTime(absl::RFC3339_full, up, absl::UTCTimeZone())})
          .out,
      HasSubstr("2 up  1 DOWN"));
  const Result odd = Replay({"--once", "--at", "noon"});
  EXPECT_EQ(odd.exit_code, 2);
  EXPECT_THAT(odd.err, HasSubstr("'noon' is no time"));
}

TEST_F(TopRecordTest, AReplayIsStoppedSteppedAndLeft) {
  Record();
  AwaitGrowth();
  // While it is being made: the replay follows.
  ASSERT_EQ(terminal_->Run({"new-window", "env PS1='shell> ' bash --norc"}),
            "");
  ASSERT_TRUE(terminal_->Shows("shell>"));
  terminal_.StartScript(
      absl::StrCat("exec ", Program("specula"), " top --replay ", file_));
  ASSERT_TRUE(terminal_->Shows("play x1")) << terminal_->Screen();
  ASSERT_TRUE(terminal_->Shows("2 up  1 DOWN")) << terminal_->Screen();
  terminal_->Type("+");
  EXPECT_TRUE(terminal_->Shows("play x2")) << terminal_->Screen();
  terminal_->Type("p");
  EXPECT_TRUE(terminal_->Shows("stopped")) << terminal_->Screen();
  for (const auto& [width, height] :
       {std::pair{40, 10}, {200, 50}, {7, 3}, {120, 30}}) {
    terminal_->Resize(width, height);
  }
  EXPECT_TRUE(terminal_->Shows("stopped")) << terminal_->Screen();
  terminal_->Type("[[[[[[[[[[[[[[[[[[[[[[[[[[");
  EXPECT_TRUE(terminal_->Shows("waiting")) << terminal_->Screen();
  terminal_->Type("e");
  EXPECT_TRUE(terminal_->Shows("this is the past")) << terminal_->Screen();
  terminal_->Type("q");
  EXPECT_TRUE(terminal_->Shows("ended=0")) << terminal_->Screen();
}

TEST_F(TopRecordTest, ItWritesOverNothingAndSaysWhatDoesNotGoTogether) {
  ASSERT_TRUE(WriteFileAtomically(file_, "mine", 0600, false).ok());
  const Result over = RunProgram(ControllerArguments(
      pki_, "viewer", one_.host(), {"top", "--record", file_}));
  EXPECT_EQ(over.exit_code, 2);
  EXPECT_THAT(over.err, HasSubstr("does not write over it"));
  EXPECT_THAT(Replay({"--once"}).err, HasSubstr("is no recording"));
  EXPECT_THAT(Replay({"--record", "x"}).err, HasSubstr("--record is neither"));
  const Result at = RunProgram(ControllerArguments(pki_, "viewer", one_.host(),
                                                   {"top", "--at", "14:00"}));
  EXPECT_THAT(at.err, HasSubstr("--at is for --replay"));
}

}  // namespace
}  // namespace specula::testing
