#include "lib/audit/writer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/audit/line.h"
#include "lib/base/unique_fd.h"
#include "tests/lib/audit/testing.h"
#include "tests/lib/base/testing.h"

namespace specula::audit {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

Record Exec(std::string argument) {
  return {.stage = Stage::kStarted, .rpc = "Exec", .argv = {"x", argument}};
}

class AuditWriterTest : public ::testing::Test {
 protected:
  std::unique_ptr<Writer> Open() {
    absl::StatusOr<std::unique_ptr<Writer>> writer =
        Writer::Open(path_, "0.1.0");
    EXPECT_THAT(writer, IsOk());
    return writer.ok() ? *std::move(writer) : nullptr;
  }
  // The stages in the file, in order.
  static std::vector<std::string> Stages(const std::string& path) {
    std::vector<std::string> stages;
    for (const std::string& line : LinesOf(path)) {
      const std::optional<LineHead> head = ScanLine(line);
      stages.emplace_back(head ? std::string(head->stage) : "-");
    }
    return stages;
  }
  void AppendText(absl::string_view text) const {
    const UniqueFd fd(open(path_.c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(write(fd.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void ExpectIntact(int64_t gaps) const {
    const Verdict verdict = VerifyTexts({Read(path_)});
    EXPECT_EQ(Finding(verdict), "intact");
    EXPECT_EQ(verdict.gaps, gaps);
  }

  const TempDirectory directory_;
  const std::string path_ = directory_.Path("audit.log");
};

TEST_F(AuditWriterTest, MakesAFileForItsUserOnlyAndKeepsTheChain) {
  umask(0);
  const std::unique_ptr<Writer> writer = Open();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(writer->Append(Exec(absl::StrCat(i, "\n}"))), IsOk());
  }
  EXPECT_THAT(writer->Close(), IsOk());
  EXPECT_THAT(writer->Append(Exec("late")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "closed"));
  EXPECT_THAT(writer->Close(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "closed"));
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  ExpectIntact(0);
  EXPECT_EQ(VerifyTexts({Read(path_)}).records, 102);
  EXPECT_THAT(LinesOf(path_)[0],
              EndsWith(absl::StrCat("\"stage\":\"opened\",\"pid\":", getpid(),
                                    ",\"version\":\"0.1.0\"}")));
}

TEST_F(AuditWriterTest, PutsTheTimeOfWriting) {
  const std::unique_ptr<Writer> writer = Open();
  const absl::Time before = absl::Now() - absl::Seconds(1);
  EXPECT_THAT(writer->Append(Exec("a")), IsOk());
  EXPECT_THAT(writer->Append({.time = absl::FromUnixSeconds(0)}), IsOk());
  const std::vector<std::string> lines = LinesOf(path_);
  absl::Time told;
  const size_t at = lines[1].find("\"time\":\"") + 8;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, lines[1].substr(at, 27),
                              &told, nullptr));
  EXPECT_GT(told, before);
  EXPECT_LE(told, absl::Now());
  EXPECT_THAT(lines[2], HasSubstr("\"1970-01-01T00:00:00.000000Z\""));
}

TEST_F(AuditWriterTest, ContinuesTheChainOfAFileThatWasClosed) {
  for (int i = 0; i < 3; ++i) {
    const std::unique_ptr<Writer> writer = Open();
    EXPECT_THAT(writer->Append(Exec("a")), IsOk());
    EXPECT_THAT(writer->Close(), IsOk());
  }
  ExpectIntact(0);
  EXPECT_EQ(VerifyTexts({Read(path_)}).last_seq, 9);
}

TEST_F(AuditWriterTest, AKilledWriterLeavesAGap) {
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Open()->Append(Exec("a")), IsOk());
  EXPECT_THAT(Stages(path_),
              ElementsAre("opened", "started", "gap", "opened", "started",
                          "gap", "opened", "started"));
  EXPECT_THAT(LinesOf(path_)[2], HasSubstr("was killed"));
  ExpectIntact(2);
}

TEST_F(AuditWriterTest, ALineTornAnywhereIsClosedAndTold) {
  {
    const std::unique_ptr<Writer> writer = Open();
    EXPECT_THAT(writer->Append(Exec("a}\"]}")), IsOk());
  }
  const std::string whole = Read(path_);
  const size_t first = whole.find('\n') + 1;
  for (size_t length = 1; length < whole.size(); ++length) {
    directory_.Write("audit.log", whole.substr(0, length));
    Open();
    const Verdict verdict = VerifyTexts({Read(path_)});
    EXPECT_EQ(Finding(verdict), "intact") << length;
    EXPECT_EQ(verdict.gaps, 1) << length;
    // Nothing that was there is lost; a line without its newline is a record.
    EXPECT_EQ(Read(path_).substr(0, length), whole.substr(0, length));
    const int64_t before = (length >= first - 1) + (length >= whole.size() - 1);
    EXPECT_EQ(verdict.records, before + 2) << length;
  }
}

TEST_F(AuditWriterTest, TheRepairOfATornLineMayBeTornItself) {
  Open();
  AppendText("{\"seq\":2,");
  const std::string before = Read(path_);
  Open();
  const std::string whole = Read(path_);
  for (size_t length = before.size(); length < whole.size(); length += 7) {
    directory_.Write("audit.log", whole.substr(0, length));
    Open();
    const Verdict verdict = VerifyTexts({Read(path_)});
    EXPECT_EQ(Finding(verdict), "intact") << length;
    EXPECT_GE(verdict.gaps, 1) << length;
  }
}

TEST_F(AuditWriterTest, GarbageAtTheEndIsTold) {
  const std::string zeros(300000, '\0');
  for (const std::string& garbage :
       {std::string("\n"), std::string("\n\n\n"), std::string("x\ny\n"), zeros,
        zeros + "\n"}) {
    std::filesystem::remove(path_);
    EXPECT_THAT(Open()->Close(), IsOk());
    AppendText(garbage);
    EXPECT_THAT(Open()->Append(Exec("a")), IsOk());
    ExpectIntact(1);
  }
  // From the beginning on.
  directory_.Write("audit.log", "{\"seq");
  Open();
  ExpectIntact(1);
}

TEST_F(AuditWriterTest, RefusesAFileWithoutARecordNearItsEnd) {
  Open();
  AppendText(std::string(2 << 20, '\0'));
  EXPECT_THAT(Writer::Open(path_, "1"),
              StatusIs(absl::StatusCode::kDataLoss, "move it away"));
}

TEST_F(AuditWriterTest, RefusesWhatIsNotItsOwnFile) {
  const std::string target = directory_.Write("target", "");
  ASSERT_EQ(symlink(target.c_str(), path_.c_str()), 0);
  EXPECT_THAT(Writer::Open(path_, "1"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "symbolic link"));
  unlink(path_.c_str());
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(
      Writer::Open(path_, "1"),
      StatusIs(absl::StatusCode::kFailedPrecondition, "not a regular file"));
  unlink(path_.c_str());
  directory_.Write("audit.log", "");
  chmod(path_.c_str(), 0660);
  EXPECT_THAT(Writer::Open(path_, "1"),
              StatusIs(absl::StatusCode::kPermissionDenied, "chmod 600"));
  EXPECT_THAT(Writer::Open(directory_.Path("no/such"), "1"),
              StatusIs(absl::StatusCode::kNotFound, "no/such"));
}

TEST_F(AuditWriterTest, RefusesTheFileOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  directory_.Write("audit.log", "");
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  chmod(path_.c_str(), 0600);
  EXPECT_THAT(Writer::Open(path_, "1"),
              StatusIs(absl::StatusCode::kPermissionDenied, "belongs to user"));
}

TEST_F(AuditWriterTest, OnlyOneWriterAtATime) {
  std::unique_ptr<Writer> first = Open();
  EXPECT_THAT(Writer::Open(path_, "1"),
              StatusIs(absl::StatusCode::kUnavailable, "another program"));
  first.reset();
  Open();
  ExpectIntact(1);
}

TEST_F(AuditWriterTest, ManyThreadsMakeOneChain) {
  const std::unique_ptr<Writer> writer = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&writer, t] {
      for (int i = 0; i < 500; ++i) {
        EXPECT_THAT(writer->Append(Exec(absl::StrCat(t, ".", i))), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectIntact(0);
  EXPECT_EQ(VerifyTexts({Read(path_)}).records, 4001);
}

TEST_F(AuditWriterTest, FollowsRotationByRenameWithAndWithoutANewFile) {
  const std::unique_ptr<Writer> writer = Open();
  std::vector<std::string> texts;
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(writer->Append(Exec(absl::StrCat(i))), IsOk());
    const std::string old = directory_.Path(absl::StrCat("audit.log.", i));
    ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
    if (i % 2 == 0) {  // logrotate's "create"
      UniqueFd(open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600));
    }
    texts.push_back(Read(old));
  }
  EXPECT_THAT(writer->Append(Exec("last")), IsOk());
  texts.push_back(Read(path_));
  const Verdict verdict = VerifyTexts(texts);
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.gaps, 0);
  EXPECT_EQ(verdict.records, 8);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(AuditWriterTest, ContinuesTheChainOfWhatWasRotatedWhileNobodyWrote) {
  const std::string old = directory_.Path("audit.log.1");
  EXPECT_THAT(Open()->Close(), IsOk());
  ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
  EXPECT_THAT(Open()->Close(), IsOk());
  Verdict verdict = VerifyTexts({Read(old), Read(path_)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.gaps, 0);
  EXPECT_EQ(verdict.records, 4);

  // Killed before.
  ASSERT_EQ(unlink(path_.c_str()), 0);
  Open();
  ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
  Open();
  verdict = VerifyTexts({Read(old), Read(path_)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.gaps, 1);
}

TEST_F(AuditWriterTest, WhatIsNoLogInTheRotatedPlaceDoesNoHarm) {
  const std::string old = directory_.Path("audit.log.1");
  directory_.Write("audit.log.1", std::string(8 << 20, 'x'));
  ASSERT_EQ(chmod(old.c_str(), 0600), 0);
  Open();
  ExpectIntact(0);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(unlink(old.c_str()), 0);
  ASSERT_EQ(symlink("/dev/zero", old.c_str()), 0);
  Open();
  ExpectIntact(0);
}

TEST_F(AuditWriterTest, AFileThatWasRemovedIsMadeAnewAndItsLinesAreMissing) {
  const std::unique_ptr<Writer> writer = Open();
  const std::string before = Read(path_);
  EXPECT_THAT(writer->Append(Exec("a")), IsOk());
  unlink(path_.c_str());
  EXPECT_THAT(writer->Append(Exec("b")), IsOk());
  EXPECT_EQ(Finding(VerifyTexts({Read(path_)})), "intact");
  EXPECT_EQ(VerifyTexts({Read(path_)}).first_seq, 3);
  EXPECT_THAT(Finding(VerifyTexts({before, Read(path_)})),
              HasSubstr("2:1: missing: the lines with seq 2 to 2"));
}

TEST_F(AuditWriterTest, ARotatedFileCannotBeReplacedByASymbolicLink) {
  const std::unique_ptr<Writer> writer = Open();
  rename(path_.c_str(), directory_.Path("old").c_str());
  const std::string victim = directory_.Write("victim", "");
  ASSERT_EQ(symlink(victim.c_str(), path_.c_str()), 0);
  EXPECT_THAT(writer->Append(Exec("a")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "symbolic"));
  EXPECT_EQ(Read(victim), "");
}

TEST_F(AuditWriterTest, CopytruncateLeavesAGap) {
  const std::unique_ptr<Writer> writer = Open();
  EXPECT_THAT(writer->Append(Exec("a")), IsOk());
  const std::string copy = Read(path_);
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  EXPECT_THAT(writer->Append(Exec("b")), IsOk());
  EXPECT_THAT(Stages(path_), ElementsAre("gap", "started"));
  EXPECT_THAT(
      LinesOf(path_)[0],
      HasSubstr(absl::StrCat("it had 0 bytes instead of ", copy.size())));
  const Verdict verdict = VerifyTexts({copy, Read(path_)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.gaps, 1);
}

TEST_F(AuditWriterTest, WhatAnotherProgramAddsIsFound) {
  const std::unique_ptr<Writer> writer = Open();
  AppendText("forged");
  EXPECT_THAT(writer->Append(Exec("b")), IsOk());
  EXPECT_THAT(Stages(path_), ElementsAre("opened", "-", "gap", "started"));
  EXPECT_THAT(Finding(VerifyTexts({Read(path_)})), HasSubstr("1:2: not"));
}

TEST_F(AuditWriterTest, ALostRecordIsCountedByTheNextOne) {
  const std::unique_ptr<Writer> writer = Open();
  const std::string old = directory_.Path("old");
  ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(writer->Append(Exec("lost")), Not(IsOk()));
  }
  ASSERT_EQ(rmdir(path_.c_str()), 0);
  EXPECT_THAT(writer->Append(Exec("b")), IsOk());
  EXPECT_THAT(Stages(path_), ElementsAre("gap", "started"));
  EXPECT_THAT(LinesOf(path_)[0], HasSubstr("\"stage\":\"gap\",\"lost\":3,"));
  EXPECT_THAT(LinesOf(path_)[0], HasSubstr("cannot open "));
  EXPECT_EQ(Finding(VerifyTexts({Read(old), Read(path_)})), "intact");
}

TEST_F(AuditWriterTest, RecordsThatNeverCameAreCountedByTheNextOne) {
  const std::unique_ptr<Writer> writer = Open();
  writer->AddLost(3, "too many");
  writer->AddLost(4, "later");
  EXPECT_THAT(writer->Append(Exec("b")), IsOk());
  EXPECT_THAT(writer->Append(Exec("c")), IsOk());
  EXPECT_THAT(Stages(path_),
              ElementsAre("opened", "gap", "started", "started"));
  EXPECT_THAT(LinesOf(path_)[1], HasSubstr("\"stage\":\"gap\",\"lost\":7,"));
  EXPECT_THAT(LinesOf(path_)[1], HasSubstr("too many"));
  ExpectIntact(1);
}

// Fills the disk under a log by its records, then makes room.
void FillAndFree(const std::string& path, const std::function<void()>& free) {
  absl::StatusOr<std::unique_ptr<Writer>> opened = Writer::Open(path, "1");
  ASSERT_THAT(opened, IsOk());
  Writer& writer = **opened;
  int written = 0;
  absl::Status status;
  // Of a size that does not fit evenly, so that some write is short.
  while ((status = writer.Append(Exec(std::string(777, 'x')))).ok()) {
    ASSERT_LT(++written, 100000);
  }
  EXPECT_GT(written, 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(writer.Append(Exec(std::string(777, 'x'))), Not(IsOk()));
    // At every moment there are only whole lines.
    const Verdict verdict = VerifyTexts({Read(path)});
    EXPECT_EQ(Finding(verdict), "intact");
    EXPECT_EQ(verdict.records, written + 1);
  }
  free();
  EXPECT_THAT(writer.Append(Exec("again")), IsOk());
  const Verdict verdict = VerifyTexts({Read(path)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_EQ(verdict.records, written + 3);
  EXPECT_EQ(verdict.gaps, 1);
  EXPECT_THAT(Read(path), HasSubstr("\"lost\":5,"));
}

TEST_F(AuditWriterTest, AFullDiskIsAnErrorAndNeverATornLine) {
  const std::string mounted = directory_.Path("tmpfs");
  mkdir(mounted.c_str(), 0700);
  if (mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "cannot mount a tmpfs: " << strerror(errno);
  }
  {
    const std::string ballast = mounted + "/ballast";
    std::ofstream(ballast) << std::string(16384, 'b');
    FillAndFree(mounted + "/audit.log", [&] { unlink(ballast.c_str()); });
  }
  EXPECT_EQ(umount2(mounted.c_str(), MNT_DETACH), 0);
}

TEST_F(AuditWriterTest, AFileSizeLimitIsAnErrorAndNeverATornLine) {
  // In a child, whose limits are its own; needs no privilege.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit small = {50000, 100000};
    const rlimit large = {100000, 100000};
    setrlimit(RLIMIT_FSIZE, &small);
    FillAndFree(path_, [&] { setrlimit(RLIMIT_FSIZE, &large); });
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(AuditWriterTest, AFullDiskIsAnErrorOfOpenAndIsRepairedByTheNext) {
  EXPECT_THAT(Open()->Append(Exec("a")), IsOk());
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    struct stat info;
    stat(path_.c_str(), &info);
    const rlim_t limit = static_cast<rlim_t>(info.st_size) + 10;
    const rlimit small = {limit, limit};
    setrlimit(RLIMIT_FSIZE, &small);
    _exit(Writer::Open(path_, "1").ok() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ExpectIntact(0);
  Open();
  ExpectIntact(1);
}

TEST_F(AuditWriterTest, SurvivesSigkillAtAnyMoment) {
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      absl::StatusOr<std::unique_ptr<Writer>> writer = Writer::Open(path_, "1");
      while (writer.ok() && (*writer)->Append(Exec("a")).ok()) {
      }
      _exit(1);
    }
    // Each second time it has come to write, however slow the machine is.
    const auto size = [this] {
      std::error_code none;
      const uintmax_t bytes = std::filesystem::file_size(path_, none);
      return none ? 0 : bytes;
    };
    const uintmax_t wanted = size() + 4000;
    for (int i = 0; round % 2 == 1 && size() < wanted && i < 100'000; ++i) {
      usleep(100);
    }
    usleep(777 * round);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  Open();
  const Verdict verdict = VerifyTexts({Read(path_)});
  EXPECT_EQ(Finding(verdict), "intact");
  EXPECT_GE(verdict.gaps, 1);
  EXPECT_LE(verdict.gaps, 20);
  EXPECT_GT(verdict.records, 20);
}

}  // namespace
}  // namespace specula::audit
