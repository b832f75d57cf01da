#include "agent/tail/follower.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

using ::testing::HasSubstr;

// Opens as PlainOpener does, unless told otherwise.
class ScriptedOpener : public Opener {
 public:
  absl::StatusOr<OpenedFile> Open(const std::string& path) override {
    ++count;
    last_path = path;
    if (before) before();
    if (!error.ok()) return error;
    auto file = plain_.Open(path);
    if (file.ok() && change) change(*file);
    return file;
  }

  int count = 0;
  std::string last_path;
  absl::Status error;
  std::function<void()> before;
  std::function<void(OpenedFile&)> change;

 private:
  PlainOpener plain_;
};

int OpenDescriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class FollowerTest : public ::testing::Test {
 protected:
  TailOptions Options(bool follow = true) {
    return {.path = box_.Path("log"), .follow = follow};
  }

  Sandbox box_;
  ScriptedOpener opener_;
};

TEST_F(FollowerTest, OptionsAreChecked) {
  EXPECT_TRUE(Follower::Create({.path = "/x", .lines = 0}).ok());
  EXPECT_TRUE(Follower::Create({.path = "/x", .lines = 100'000}).ok());
  for (const TailOptions& bad :
       {TailOptions{.path = "x"}, TailOptions{.path = ""},
        TailOptions{.path = std::string("/x\0y", 4)},
        TailOptions{.path = "/x", .lines = -1},
        TailOptions{.path = "/x", .lines = 100'001}}) {
    EXPECT_EQ(Follower::Create(bad).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(FollowerTest, WithoutFollowItEndsAfterTheLastLines) {
  box_.Append("log", "a\nb\nc");
  TailOptions options = Options(false);
  options.lines = 2;
  Bench bench(options);
  bench.Run();
  EXPECT_TRUE(bench.done());
  EXPECT_EQ(bench.TakeText(), "b\nc");
}

TEST_F(FollowerTest, WithoutFollowAnEmptyFileEndsAtOnce) {
  box_.Append("log", "");
  Bench bench(Options(false));
  bench.Run();
  EXPECT_TRUE(bench.done());
  EXPECT_EQ(bench.TakeText(), "");
}

TEST_F(FollowerTest, WithoutFollowTheEndIsTheSizeWhenItWasOpened) {
  box_.Append("log", "a\nb\nc\n");
  Bench bench(Options(false));
  bench.Step(2);
  box_.Append("log", "d\n");
  bench.Run(2);
  EXPECT_TRUE(bench.done());
  EXPECT_EQ(bench.TakeText(), "a\nb\nc\n");
}

TEST_F(FollowerTest, WithoutFollowTruncationIsToldAndTheEnd) {
  box_.Append("log", "a\nb\nc\n");
  Bench bench(Options(false));
  bench.Step(2);
  box_.Write("log", "x\ny\nz\n");
  bench.Run(2);
  EXPECT_TRUE(bench.done());
  EXPECT_EQ(bench.TakeText(), "a\n<TRUNCATED>");
}

TEST_F(FollowerTest, WithoutFollowAFileCanBeWaitedForToo) {
  TailOptions options = Options(false);
  options.wait_for_file = true;
  options.lines = 1;
  Bench bench(options);
  bench.Pass(absl::Seconds(20));
  EXPECT_FALSE(bench.done());
  box_.Append("log", "a\nb\n");
  bench.Pass(absl::Seconds(1));
  EXPECT_TRUE(bench.done());
  EXPECT_EQ(bench.TakeText(), "<MISSING><APPEARED>b\n");
}

TEST_F(FollowerTest, AbsentFileIsNotFoundUnlessWaitedFor) {
  Bench bench(Options());
  bench.Run();
  EXPECT_EQ(bench.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(bench.status().message()), HasSubstr("/log"));
}

TEST_F(FollowerTest, WhatIsNoFileIsRefused) {
  box_.Directory("directory");
  mkfifo(box_.Path("fifo").c_str(), 0600);
  for (const auto& [path, why] : std::map<std::string, std::string>{
           {box_.Path("directory"), "is a directory"},
           {box_.Path("fifo"), "is a FIFO"},
           {"/dev/null", "is a device"},
           {"/proc/self/status", "is a file of procfs"},
           {"/sys/kernel/uevent_seqnum", "is a file of sysfs"}}) {
    for (const bool wait : {false, true}) {
      Bench bench({.path = path, .follow = true, .wait_for_file = wait});
      bench.Run();
      EXPECT_EQ(bench.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(bench.status().message()), HasSubstr(path));
      EXPECT_THAT(std::string(bench.status().message()), HasSubstr(why));
    }
  }
}

TEST_F(FollowerTest, TheFollowerChecksWhateverTheOpenerLetPass) {
  class Careless : public Opener {
   public:
    absl::StatusOr<OpenedFile> Open(const std::string&) override {
      OpenedFile file{UniqueFd(open("/proc/self/status", O_RDONLY)), {}};
      fstat(file.fd.get(), &file.info);
      return file;
    }
  } careless;
  Bench bench(Options(), &careless);
  bench.Run();
  EXPECT_EQ(bench.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FollowerTest, ChunksEndWithALineIfMoreFollows) {
  box_.Append("log", "");
  Bench bench(Options());
  bench.Run();
  box_.Append("log", "one\ntwo\nthree\nfour");
  bench.Run(10);
  std::vector<std::string> chunks;
  for (const TailItem& item : bench.TakeItems()) chunks.push_back(item.data);
  EXPECT_THAT(chunks, ::testing::ElementsAre("one\ntwo\n", "three\nfour"));
}

TEST_F(FollowerTest, ALineLongerThanAChunkIsCut) {
  box_.Append("log", "");
  Bench bench(Options());
  bench.Run();
  box_.Append("log", std::string(700 << 10, 'x') + "\n");
  bench.Run(1 << 30);
  std::vector<size_t> sizes;
  for (const TailItem& item : bench.TakeItems()) {
    sizes.push_back(item.data.size());
  }
  EXPECT_THAT(sizes,
              ::testing::ElementsAre(256 << 10, 256 << 10, (188 << 10) + 1));
}

TEST_F(FollowerTest, PartialLineIsGivenAtOnce) {
  box_.Append("log", "");
  Bench bench(Options());
  bench.follower().SetAnnounced(true);
  bench.Run();
  for (const char* part : {"par", "ti", "al\n"}) {
    box_.Append("log", part);
    bench.Step();
    EXPECT_EQ(bench.TakeText(), part);
    bench.Run();
  }
}

TEST_F(FollowerTest, TruncationWhileTheFirstLineIsLookedFor) {
  box_.Append("log", std::string(5 << 20, 'x'));
  Bench bench(Options());
  bench.Step();
  bench.Step();
  EXPECT_LE(bench.wake_time(), bench.now());
  box_.Write("log", std::string(6 << 20, 'y'));
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "<TRUNCATED>" + std::string(6 << 20, 'y'));
}

TEST_F(FollowerTest, NothingIsReadWithoutRoom) {
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.Pass(absl::Seconds(60), 0);
  EXPECT_EQ(bench.TakeText(), "");
  box_.Append("log", "b\n");
  bench.Run(0);
  EXPECT_EQ(bench.TakeText(), "");
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "a\nb\n");
}

TEST_F(FollowerTest, SlowReaderSkipsToTheLastBytesAndIsToldHowMany) {
  TailOptions options = Options();
  options.limits.behind_bytes = 1000;
  box_.Append("log", "start\n");
  Bench bench(options);
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "start\n");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(10000 + i);
  box_.Append("log", text);
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "<SKIPPED 4000>" + text.substr(4000));
  // Exactly as many as are allowed.
  box_.Append("log", text.substr(0, 1000));
  bench.Run();
  EXPECT_EQ(bench.TakeText(), text.substr(0, 1000));
  box_.Append("log", text.substr(0, 1001));
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "<SKIPPED 1>" + text.substr(1, 1000));
}

TEST_F(FollowerTest, TheLimitIsSixtyFourMebibytes) {
  box_.Append("log", "");
  Bench bench(Options());
  bench.Run();
  ASSERT_EQ(truncate(box_.Path("log").c_str(), (64 << 20) + 7), 0);
  bench.Run();
  int64_t bytes = 0;
  int64_t skipped = 0;
  for (const TailItem& item : bench.TakeItems()) {
    bytes += static_cast<int64_t>(item.data.size());
    skipped += item.skipped_bytes;
  }
  EXPECT_EQ(bytes, 64 << 20);
  EXPECT_EQ(skipped, 7);
}

TEST_F(FollowerTest, SkippingGoesAcrossFilesAndCountsInEach) {
  TailOptions options = Options();
  options.limits.behind_bytes = 10;
  box_.Append("log", "");
  Bench bench(options);
  bench.Run();
  box_.Append("log", "0123456789");
  box_.Rename("log", "log.1");
  box_.Append("log", "abcdefghij");
  bench.follower().NameMayHaveChanged();
  bench.Pass(absl::Seconds(6), 0);
  box_.Rename("log", "away");
  box_.Append("log", "ABCDE");
  bench.follower().NameMayHaveChanged();
  bench.Pass(absl::Seconds(6), 0);
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(),
            "<SKIPPED 10><ROTATED><SKIPPED 5>fghij<ROTATED>ABCDE");
}

TEST_F(FollowerTest, WhatPiledUpWhileTheOldFileWasWaitedForIsNotSkipped) {
  TailOptions options = Options();
  options.limits.behind_bytes = 10;
  box_.Append("log", "a\n");
  Bench bench(options);
  bench.Run();
  box_.Rename("log", "log.1");
  box_.Append("log", std::string(100, 'x'));
  bench.Pass(absl::Seconds(2));
  box_.Append("log", std::string(100, 'y'));
  bench.Pass(absl::Seconds(2));
  box_.Append("log.1", "late\n");
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(), "a\nlate\n<ROTATED>" + std::string(100, 'x') +
                                  std::string(100, 'y'));
  // And afterwards the limit is as before.
  box_.Append("log", std::string(11, 'z'));
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "<SKIPPED 1>" + std::string(10, 'z'));
}

TEST_F(FollowerTest, TheAllowanceForWaitingEndsWithTheWaiting) {
  TailOptions options = Options();
  options.limits.behind_bytes = 10;
  box_.Append("log", "a\n");
  Bench bench(options);
  bench.follower().SetAnnounced(true);
  bench.Run();
  box_.Rename("log", "log.1");
  box_.Append("log", std::string(100, 'x'));
  bench.Look();
  bench.Pass(absl::Seconds(5));
  EXPECT_EQ(bench.TakeText(), "a\n<ROTATED>" + std::string(100, 'x'));
  bench.Run(0);
  box_.Append("log", std::string(11, 'z'));
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "<SKIPPED 1>" + std::string(10, 'z'));
}

TEST_F(FollowerTest, UnreadBytesThatAreCutOffAreLostAndThatIsTold) {
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.Run();
  box_.Append("log", "b\nc\n");
  bench.Run(0);
  box_.Truncate("log", 3);
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "a\n<TRUNCATED>a\nb");
}

TEST_F(FollowerTest, TruncationBetweenOpeningAndTheAnswerIsTold) {
  box_.Append("log", "");
  auto follower = *Follower::Create(Options());
  PlainOpener opener;
  const absl::Duration now = absl::Seconds(1);
  auto progress = follower->Step(now, 1000);
  follower->Opened(now, opener.Open(*progress->open));
  box_.Rename("log", "log.1");
  box_.Append("log", "a\n");
  follower->NameMayHaveChanged();
  progress = follower->Step(now, 1000);
  ASSERT_TRUE(progress->open.has_value());
  auto answer = opener.Open(*progress->open);
  box_.Truncate("log");
  follower->Opened(now, std::move(answer));
  const absl::Duration later = now + absl::Seconds(6);
  progress = follower->Step(later, 1000);
  EXPECT_EQ(progress->item->kind, TailItem::Kind::kRotated);
  progress = follower->Step(later, 1000);
  ASSERT_TRUE(progress->item.has_value());
  EXPECT_EQ(progress->item->kind, TailItem::Kind::kTruncated);
}

TEST_F(FollowerTest, TruncationIsToldEvenWhereTheReaderIsFarBehind) {
  TailOptions options = Options();
  options.limits.behind_bytes = 10;
  box_.Append("log", "0123456789");
  Bench bench(options);
  bench.Run();
  box_.Write("log", std::string(30, 'x'));
  bench.Run();
  EXPECT_EQ(bench.TakeText(),
            "0123456789<TRUNCATED><SKIPPED 20>" + std::string(10, 'x'));
}

TEST_F(FollowerTest, FilesHeldForAStalledReaderAreFewAndCounted) {
  TailOptions options = Options();
  options.limits.most_files = 3;
  box_.Append("log", "");
  Bench bench(options, &opener_);
  bench.Run();
  const int before = OpenDescriptors();
  for (int i = 0; i < 6; ++i) {
    box_.Append("log", std::to_string(i) + "\n");
    bench.Run(0);
    box_.Rename("log", "away" + std::to_string(i));
    box_.Append("log", "");
    bench.follower().NameMayHaveChanged();
    bench.Pass(absl::Seconds(6), 0);
  }
  EXPECT_EQ(OpenDescriptors(), before + 2);
  bench.Pass(absl::Seconds(20));
  EXPECT_EQ(bench.TakeText(), "0\n<ROTATED><SKIPPED 8>5\n<ROTATED>");
}

TEST_F(FollowerTest, FastRotationDoesNotWaitForEachFile) {
  TailOptions options = Options();
  options.limits.impatient_files = 2;
  box_.Append("log", "0\n");
  Bench bench(options);
  bench.Run();
  std::string expected = "0\n";
  for (int i = 1; i < 40; ++i) {
    box_.Rename("log", "away");
    box_.Append("log", std::to_string(i) + "\n");
    bench.Look();
    expected += "<ROTATED>" + std::to_string(i) + "\n";
  }
  const std::string early = bench.TakeText();
  EXPECT_THAT(early, HasSubstr("<ROTATED>37\n"));
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(early + bench.TakeText(), expected);
}

TEST_F(FollowerTest, AnInodeNumberThatIsUsedAgainIsAnotherFile) {
  ino_t always = 0;
  opener_.change = [&](OpenedFile& file) {
    if (always == 0) always = file.info.st_ino;
    file.info.st_ino = always;
  };
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.Run();
  box_.Remove("log");
  box_.Append("log", "b, and more\n");
  bench.Look();
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(), "a\n<ROTATED>b, and more\n");
}

TEST_F(FollowerTest, AReallyReusedInodeIsAnotherFileToo) {
  // Nobody holds the file while it is waited for.
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.Run();
  struct stat first;
  ASSERT_EQ(stat(box_.Path("log").c_str(), &first), 0);
  box_.Remove("log");
  bench.Pass(absl::Seconds(200));  // beyond deleted_hold
  box_.Append("log", "b\n");
  bench.Pass(absl::Seconds(1));
  EXPECT_EQ(bench.TakeText(), "a\n<MISSING><APPEARED>b\n");
}

TEST_F(FollowerTest, ADeletedFileIsLetGoAfterAMinute) {
  box_.Append("log", "a\n");
  const int before = OpenDescriptors();
  Bench bench(Options());
  bench.Run();
  EXPECT_EQ(OpenDescriptors(), before + 1);
  box_.Remove("log");
  bench.Pass(absl::Seconds(55));
  EXPECT_EQ(OpenDescriptors(), before + 1);
  bench.Pass(absl::Seconds(10));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(FollowerTest, AFileThatWasOnlyMovedAwayIsKept) {
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.Run();
  box_.Rename("log", "away");
  bench.Pass(absl::Seconds(1000));
  box_.Append("away", "b\n");
  bench.Pass(absl::Seconds(1));
  EXPECT_EQ(bench.TakeText(), "a\n<MISSING>b\n");
}

TEST_F(FollowerTest, ADescriptorThatSeesLessIsReplaced) {
  // As overlayfs does it: the same file, but who opened it before it was
  // written to sees the old content for ever.
  box_.Append("log", "a\n");
  box_.Append("upper", "a\n");
  struct stat lower;
  ASSERT_EQ(stat(box_.Path("log").c_str(), &lower), 0);
  opener_.change = [&](OpenedFile& file) { file.info.st_ino = lower.st_ino; };
  Bench bench(Options(), &opener_);
  bench.Run();
  box_.Append("upper", "b\n");
  ASSERT_EQ(link(box_.Path("log").c_str(), box_.Path("kept").c_str()), 0);
  box_.Rename("upper", "log");
  bench.Look();
  EXPECT_EQ(bench.TakeText(), "a\nb\n");
}

TEST_F(FollowerTest, TheNameIsNotLookedUpForEveryAppend) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.follower().SetAnnounced(true);
  bench.Run();
  EXPECT_EQ(opener_.count, 1);
  for (int i = 0; i < 10; ++i) {
    box_.Append("log", "a\n");
    bench.Run();
  }
  EXPECT_EQ(opener_.count, 1);
  bench.Look();
  EXPECT_EQ(opener_.count, 2);
}

TEST_F(FollowerTest, WithEventsItRestsAndPollingLooksFourTimesASecond) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.follower().SetAnnounced(true);
  bench.Run();
  EXPECT_EQ(bench.wake_time(), bench.now() + absl::Seconds(10));
  bench.follower().SetAnnounced(false);
  bench.Pass(absl::Seconds(10));
  EXPECT_EQ(opener_.count, 1 + 40);
}

TEST_F(FollowerTest, ADeletedFileIsNoticedWithoutAWordOnTheName) {
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.follower().SetAnnounced(true);
  bench.Run();
  box_.Remove("log");
  bench.Pass(absl::Seconds(1));
  bench.Run();  // an event of the file: its number of links changed
  bench.Pass(absl::Seconds(1));
  EXPECT_EQ(bench.TakeText(), "a\n<MISSING>");
}

TEST_F(FollowerTest, AnOpenerThatCannotSayIsAskedAgain) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.follower().SetAnnounced(true);
  bench.Run();
  opener_.error = absl::UnavailableError("broker is away");
  bench.Look();
  bench.Pass(absl::Seconds(100));
  box_.Append("log", "b\n");
  box_.Rename("log", "log.1");
  box_.Append("log", "c\n");
  bench.Run();
  opener_.error = absl::OkStatus();
  bench.Pass(absl::Seconds(6));
  EXPECT_TRUE(bench.status().ok()) << bench.status();
  EXPECT_EQ(bench.TakeText(), "a\nb\n<ROTATED>c\n");
}

TEST_F(FollowerTest, ANameThatMayNotBeReadAnyMoreEndsItAfterTheBytesLeft) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.Run();
  box_.Append("log", "b\n");
  opener_.error = absl::PermissionDeniedError("outside of the roots");
  bench.Look();
  EXPECT_TRUE(bench.status().ok());
  box_.Append("log", "c\n");
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(), "a\nb\nc\n");
  EXPECT_EQ(bench.status(), opener_.error);
}

TEST_F(FollowerTest, AForbiddenNameThatIsMendedInTimeIsNoError) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.Run();
  opener_.error = absl::PermissionDeniedError("chmod is yet to come");
  bench.Pass(absl::Seconds(3));
  opener_.error = absl::OkStatus();
  bench.Pass(absl::Seconds(100));
  box_.Append("log", "b\n");
  bench.Run();
  EXPECT_EQ(bench.TakeText(), "a\nb\n");
  EXPECT_TRUE(bench.status().ok());
}

TEST_F(FollowerTest, AForbiddenNameEndsTheWaitingForAFile) {
  TailOptions options = Options();
  options.wait_for_file = true;
  Bench bench(options);
  bench.Run();
  box_.Directory("log");
  bench.Pass(absl::Seconds(1));
  EXPECT_TRUE(bench.status().ok());
  bench.Pass(absl::Seconds(10));
  EXPECT_EQ(bench.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FollowerTest, AnAnswerMayComeLateAndIsNotAskedForTwice) {
  box_.Append("log", "a\n");
  auto follower = *Follower::Create(Options());
  PlainOpener opener;
  absl::Duration now = absl::Seconds(1);
  auto progress = follower->Step(now, 1000);
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->open, box_.Path("log"));
  auto again = follower->Step(now, 1000);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->open.has_value());
  follower->Opened(now, opener.Open(*progress->open));
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->item->data, "a\n");

  // Bytes come while an answer is awaited, and a look that becomes due
  // meanwhile is made afterwards.
  follower->NameMayHaveChanged();
  progress = follower->Step(now, 1000);
  ASSERT_TRUE(progress->open.has_value());
  auto stale = opener.Open(*progress->open);
  box_.Append("log", "b\n");
  box_.Rename("log", "log.1");
  box_.Append("log", "c\n");
  follower->NameMayHaveChanged();
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->item->data, "b\n");
  EXPECT_FALSE(progress->open.has_value());
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->wake_time, now + absl::Milliseconds(250));
  follower->SetAnnounced(true);
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->wake_time, absl::InfiniteDuration());
  follower->SetAnnounced(false);
  follower->Opened(now, std::move(stale));
  progress = follower->Step(now, 1000);
  ASSERT_TRUE(progress->open.has_value());
  follower->Opened(now, opener.Open(*progress->open));
  now += absl::Seconds(5);
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->item->kind, TailItem::Kind::kRotated);
  progress = follower->Step(now, 1000);
  EXPECT_EQ(progress->item->data, "c\n");
}

TEST_F(FollowerTest, ARotationWhileTheChainIsWalkedIsNotedAndWalkedAgain) {
  box_.Append("log", "a\n");
  Bench bench(Options(), &opener_);
  bench.Run();
  auto rotate = [this](const std::string& text) {
    for (int i = 8; i > 0; --i) {
      const std::string from = "log." + std::to_string(i);
      if (std::filesystem::exists(box_.Path(from))) {
        box_.Rename(from, "log." + std::to_string(i + 1));
      }
    }
    box_.Rename("log", "log.1");
    box_.Append("log", text);
  };
  rotate("b\n");
  rotate("c\n");
  int left = 1;
  opener_.before = [&] {
    if (opener_.last_path == box_.Path("log.1") && left-- > 0) rotate("d\n");
  };
  bench.Look();
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(), "a\n<ROTATED>b\n<ROTATED>c\n<ROTATED>d\n");
}

TEST_F(FollowerTest, ACopyInTheChainIsNoFileOfTheName) {
  // log.1 was there before and is compressed or replaced in place: what is born
  // before the file that is known is not believed.
  box_.Append("log.1", "older\n");
  absl::SleepFor(absl::Milliseconds(20));
  box_.Append("log", "a\n");
  Bench bench(Options());
  bench.Run();
  box_.Rename("log", "log.2");
  box_.Append("log", "b\n");
  bench.Look();
  bench.Pass(absl::Seconds(6));
  EXPECT_EQ(bench.TakeText(), "a\n<ROTATED>b\n");
}

TEST_F(FollowerTest, FailingReadsEndItWithThePath) {
  box_.Append("log", "a\n");
  opener_.change = [](OpenedFile& file) {
    const std::string again = "/proc/self/fd/" + std::to_string(file.fd.get());
    file.fd.Reset(open(again.c_str(), O_WRONLY | O_CLOEXEC));
  };
  Bench bench(Options(), &opener_);
  bench.Run();
  EXPECT_FALSE(bench.status().ok());
  EXPECT_THAT(std::string(bench.status().message()), HasSubstr("/log"));
}

TEST_F(FollowerTest, DescriptorsAreClosedAtTheEnd) {
  const int before = OpenDescriptors();
  {
    box_.Append("log", "a\n");
    Bench bench(Options());
    for (int i = 0; i < 5; ++i) {
      bench.Look();
      box_.Rename("log", "away");
      box_.Append("log", "b\n");
      bench.Look();
    }
    EXPECT_EQ(OpenDescriptors(), before + 6);
    bench.Pass(absl::Seconds(10));
    EXPECT_EQ(OpenDescriptors(), before + 1);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(FollowerTest, LinesBeyondTheSearchAreToldAsCut) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += std::string(99, 'x') + "\n";
  box_.Write("log", text);
  const struct {
    int64_t lines, scan_bytes;
    std::string shown;
  } kCases[] = {
      {20, 1050, "<LINES CUT>" + text.substr(text.size() - 1050)},
      {10, 1050, text.substr(text.size() - 1000)},
      {1000, 10000, text},  // the whole file lies within the limit
  };
  for (const auto& test : kCases) {
    TailOptions options;
    options.path = box_.Path("log");
    options.lines = test.lines;
    options.limits.scan_bytes = test.scan_bytes;
    Bench bench(options);
    bench.Run();
    EXPECT_EQ(bench.TakeText(), test.shown) << test.lines;
  }
}

}  // namespace
}  // namespace specula::agent
