#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/tail/follower.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

// What somebody does to files while "log" is followed, and what is to come. The
// follower looks after each action, except after those that begin with "&".
//   append F TEXT   write F TEXT (truncates first)   create F   rename F G
//   remove F   truncate F   link TARGET F   unlink F   mkdir F
//   open F (the daemon's descriptor)   daemon TEXT (writes to it)
//   tick (of the file system's clock)   pass SECONDS   paused SECONDS (the
//   reader has no room)
// In TEXT "/" stands for a newline.
struct Scenario {
  const char* name;
  std::vector<std::string> actions;
  const char* expected;
  int64_t lines = 10;
  bool wait_for_file = false;
};

std::string Text(std::string text) {
  std::replace(text.begin(), text.end(), '/', '\n');
  return text;
}

class FollowerScenarioTest : public ::testing::TestWithParam<Scenario> {
 protected:
  void Act(std::string action, Bench* bench) {
    const bool look = action[0] != '&';
    if (!look) action.erase(0, 1);
    const std::vector<std::string> word = absl::StrSplit(action, ' ');
    double seconds = 0;
    if (word[0] == "append") box_.Append(word[1], Text(word[2]));
    if (word[0] == "write") box_.Write(word[1], Text(word[2]));
    if (word[0] == "create") box_.Append(word[1], "");
    if (word[0] == "rename") box_.Rename(word[1], word[2]);
    if (word[0] == "remove") box_.Remove(word[1]);
    if (word[0] == "truncate") box_.Truncate(word[1]);
    if (word[0] == "link") box_.Link(word[1], word[2]);
    if (word[0] == "mkdir") box_.Directory(word[1]);
    // Longer than the file system's clock takes for a tick.
    if (word[0] == "tick") absl::SleepFor(absl::Milliseconds(20));
    if (word[0] == "open") daemon_ = box_.Writer(word[1]);
    if (word[0] == "daemon") {
      const std::string text = Text(word[1]);
      ASSERT_EQ(write(daemon_.get(), text.data(), text.size()),
                static_cast<ssize_t>(text.size()));
    }
    if (bench == nullptr) return;
    if (word[0] == "pass" && absl::SimpleAtod(word[1], &seconds)) {
      bench->Pass(absl::Seconds(seconds));
    } else if (word[0] == "paused" && absl::SimpleAtod(word[1], &seconds)) {
      bench->Pass(absl::Seconds(seconds), 0);
    } else if (look) {
      bench->Look();
    }
  }

  // Actions before "start" make what is there at the beginning.
  std::string Play(bool announced) {
    const Scenario& scenario = GetParam();
    std::unique_ptr<Bench> bench;
    for (const std::string& action : scenario.actions) {
      if (action != "start") {
        Act(action, bench.get());
        continue;
      }
      bench = std::make_unique<Bench>(
          TailOptions{.path = box_.Path("log"),
                      .lines = scenario.lines,
                      .follow = true,
                      .wait_for_file = scenario.wait_for_file});
      bench->follower().SetAnnounced(announced);
      bench->Run();
    }
    std::string text = bench->TakeText();
    if (!bench->status().ok()) text += bench->status().ToString();
    EXPECT_FALSE(bench->done());
    return text;
  }

  Sandbox box_;
  UniqueFd daemon_;
};

TEST_P(FollowerScenarioTest, WithEvents) {
  EXPECT_EQ(Play(true), Text(GetParam().expected));
}

TEST_P(FollowerScenarioTest, WithPolling) {
  EXPECT_EQ(Play(false), Text(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, FollowerScenarioTest,
    ::testing::Values(
        Scenario{
            "AppendedBytesComeAtOnce",
            {"append log a/b/c/", "start", "append log d/", "append log e"},
            "b/c/d/e",
            2},
        Scenario{"NoLinesFirst",
                 {"append log a/b/", "start", "append log c/"},
                 "c/",
                 0},
        Scenario{"RenameAndCreate",
                 {"append log a/", "start", "rename log log.1", "append log b/",
                  "pass 6", "append log c/"},
                 "a/<ROTATED>b/c/"},
        Scenario{"RenameAndCreateInOneGo",
                 {"append log a/", "start", "&rename log log.1",
                  "append log b/", "pass 6"},
                 "a/<ROTATED>b/"},
        Scenario{"DaemonWritesToTheOldFileForAWhile",
                 {"open log", "daemon a/", "start", "rename log log.1",
                  "append log new/", "daemon b/", "pass 3", "daemon c/",
                  "pass 4.5", "daemon d/", "pass 4.5", "daemon e/", "pass 6",
                  "append log more/"},
                 "a/b/c/d/e/<ROTATED>new/more/"},
        Scenario{"OldFileIsNotWaitedForLongerThanNeeded",
                 {"append log a/", "start", "rename log log.1", "append log b/",
                  "pass 4.9"},
                 "a/"},
        Scenario{"RenameChainIsReadInOrder",
                 {"append log a/", "start", "rename log log.1", "append log b/",
                  "rename log.1 log.2", "rename log log.1", "append log c/",
                  "rename log.2 log.3", "rename log.1 log.2",
                  "rename log log.1", "append log d/", "pass 6"},
                 "a/<ROTATED>b/<ROTATED>c/<ROTATED>d/"},
        Scenario{
            "RenameChainFasterThanTheLooks",
            {"append log a/", "start", "&rename log log.1", "&append log b/",
             "&rename log.1 log.2", "&rename log log.1", "&append log c/",
             "&rename log.2 log.3", "&rename log.1 log.2", "&rename log log.1",
             "append log d/", "pass 6"},
            "a/<ROTATED>b/<ROTATED>c/<ROTATED>d/"},
        Scenario{
            "RenameChainThroughALink",
            {"append real a/", "link real log", "start", "&rename real real.1",
             "&append real b/", "&rename real.1 real.2", "&rename real real.1",
             "append real c/", "pass 6"},
            "a/<ROTATED>b/<ROTATED>c/"},
        Scenario{"OlderFilesWithNumbersAreNotTakenForAChain",
                 {"append log.1 old1/", "append log.2 old2/", "tick",
                  "append log a/", "start", "&rename log log.3",
                  "append log b/", "pass 6"},
                 "a/<ROTATED>b/"},
        Scenario{
            "RotatedAndDeletedBeforeItWasRead",
            {"append log a/", "start", "&rename log log.1", "append log b/",
             "&remove log.1", "&remove log", "append log c/", "pass 6"},
            "a/<ROTATED>b/<ROTATED>c/"},
        Scenario{"CopyTruncate",
                 {"append log a/b/", "start", "truncate log", "append log c/"},
                 "a/b/<TRUNCATED>c/"},
        Scenario{"CopyTruncateAndRefillBetweenLooks",
                 {"append log a/b/", "start", "write log 1/2/3/4/"},
                 "a/b/<TRUNCATED>1/2/3/4/"},
        Scenario{"SameSizeOtherContent",
                 {"append log a/b/", "start", "write log A/B/"},
                 "a/b/<TRUNCATED>A/B/"},
        Scenario{"TruncatedBeforeAnythingWasRead",
                 {"append log a/b/", "start", "&append log c/", "paused 1",
                  "&write log x/", "paused 1", "pass 1"},
                 "a/b/<TRUNCATED>x/"},
        Scenario{"WaitingFileIsTruncated",
                 {"append log a/", "start", "rename log log.1",
                  "append log first/", "write log second,longer/", "pass 6"},
                 "a/<ROTATED><TRUNCATED>second,longer/"},
        Scenario{"OldFileIsTruncatedToo",
                 {"append log a/", "start", "rename log log.1", "append log b/",
                  "truncate log.1", "append log.1 c/", "pass 6"},
                 "a/<TRUNCATED>c/<ROTATED>b/"},
        Scenario{"DeleteAndRecreate",
                 {"append log a/", "start", "remove log", "pass 6",
                  "append log b/", "append log c/"},
                 "a/<MISSING><APPEARED>b/c/"},
        Scenario{
            "DeleteAndRecreateAtOnceIsRotation",
            {"append log a/", "start", "remove log", "append log b/", "pass 6"},
            "a/<ROTATED>b/"},
        Scenario{"DeletedFileIsStillWrittenTo",
                 {"open log", "daemon a/", "start", "remove log", "pass 1",
                  "daemon b/", "append log c/", "daemon d/", "pass 6"},
                 "a/<MISSING>b/d/<APPEARED>c/"},
        Scenario{
            "MissingIsToldOnceAndAppearedToo",
            {"append log a/", "start", "remove log", "pass 30", "append log b/",
             "pass 30", "remove log", "pass 30", "append log c/", "pass 30"},
            "a/<MISSING><APPEARED>b/<MISSING><APPEARED>c/"},
        Scenario{"DeletedLongAgo",
                 {"append log a/", "start", "remove log", "pass 300",
                  "append log b/", "pass 1"},
                 "a/<MISSING><APPEARED>b/"},
        Scenario{"TheSameFileComesBack",
                 {"append log a/", "start", "rename log away", "pass 6",
                  "append away b/", "rename away log", "append log c/"},
                 "a/<MISSING>b/<APPEARED>c/"},
        Scenario{"TheSameFileComesBackAtOnce",
                 {"append log a/", "start", "rename log away",
                  "rename away log", "append log c/", "pass 6"},
                 "a/c/"},
        Scenario{
            "LinkIsSwapped",
            {"append 0.log a/", "append 1.log b/", "link 0.log log", "start",
             "append 0.log c/", "link 1.log log", "append 1.log d/", "pass 6"},
            "a/c/<ROTATED>b/d/"},
        Scenario{"LinkToADirectoryIsSwapped",
                 {"mkdir v1", "mkdir v2", "append v1/f a/", "append v2/f b/",
                  "link v1 current", "link current/f log", "start",
                  "append v1/f c/", "link v2 current", "pass 6"},
                 "a/c/<ROTATED>b/"},
        Scenario{"LinkDanglesForAWhile",
                 {"append 0.log a/", "link 0.log log", "start",
                  "link 1.log log", "pass 6", "append 1.log b/"},
                 "a/<MISSING><APPEARED>b/"},
        Scenario{"FileThatIsNotThereYet",
                 {"start", "append log a/b/c/", "append log d/"},
                 "<MISSING><APPEARED>a/b/c/d/",
                 1,
                 true},
        Scenario{"DirectoryThatIsNotThereYet",
                 {"link later/file log", "start", "mkdir later", "pass 1",
                  "append later/file a/", "pass 11"},
                 "<MISSING><APPEARED>a/",
                 1,
                 true},
        Scenario{
            "PausedReaderLosesNoRotation",
            {"append log a/", "start", "&append log b/", "&rename log log.1",
             "&append log c/", "paused 11", "&remove log.1",
             "&rename log log.1", "&append log d/", "paused 11", "pass 6"},
            "a/b/<ROTATED>c/<ROTATED>d/"},
        Scenario{"RotatedByRenameOfANewFileOver",
                 {"append log a/", "start", "&append tmp b/", "rename tmp log",
                  "pass 6"},
                 "a/<ROTATED>b/"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace specula::agent
