// Following a file through the real agent, with a reader that stands still.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "clients/cpp/tail_call.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

void Append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

bool HasOpen(pid_t pid, const std::string& path) {
  struct stat wanted;
  if (stat(path.c_str(), &wanted) != 0) return false;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"), gone)) {
    struct stat open;
    if (stat(entry.path().c_str(), &open) == 0 &&
        open.st_dev == wanted.st_dev && open.st_ino == wanted.st_ino) {
      return true;
    }
  }
  return false;
}

// A Tail that takes nothing before Resume.
class StallingReader {
 public:
  StallingReader(const std::shared_ptr<grpc::Channel>& channel,
                 const std::string& path) {
    v1::TailRequest request;
    request.set_path(path);
    request.set_lines(100'000);
    request.set_follow(true);
    TailEvents events;
    events.data = [this](const std::string& data) { Take(data); };
    events.event = [this](const v1::TailEvent& event) {
      Take(absl::StrCat("<", v1::TailEvent::Kind_Name(event.kind()), ">"));
    };
    events.finished = [this](const absl::Status&) {
      absl::MutexLock lock(&mutex_);
      finished_ = true;
    };
    call_ = TailCall::Create(channel, request, {}, std::move(events));
    call_->Start();
  }
  ~StallingReader() {
    call_->Cancel();
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&finished_));
  }

  void Resume() {
    {
      absl::MutexLock lock(&mutex_);
      reading_ = true;
    }
    call_->Continue();
  }
  std::string text() {
    absl::MutexLock lock(&mutex_);
    return text_;
  }

 private:
  void Take(const std::string& text) {
    {
      absl::MutexLock lock(&mutex_);
      text_ += text;
      if (!reading_) return;
    }
    call_->Continue();
  }

  std::shared_ptr<TailCall> call_;
  absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

// More than all buffers on the way hold, less than Tail looks back.
const std::string& FirstFile() {
  static const std::string* const text = [] {
    auto* lines = new std::string;
    while (lines->size() < (12u << 20)) {
      absl::StrAppend(lines, std::string(1000, 'x'), lines->size(), "\n");
    }
    return lines;
  }();
  return *text;
}

TEST(FollowTest, RotationsWhileTheReaderStandsStillLoseNothing) {
  const Pki pki;
  const AgentProcess agent(pki);
  const TemporaryDirectory directory;
  const std::string path = directory.File("log");
  Append(path, FirstFile());
  chmod(directory.path().c_str(), 0755);
  StallingReader reader(agent.Connect(pki.Load("operator")), path);
  ASSERT_TRUE(Eventually([&] { return !reader.text().empty(); }));

  std::string expected = FirstFile();
  for (int i = 1; i <= 3; ++i) {
    std::filesystem::rename(path, absl::StrCat(path, ".", i));
    Append(path, absl::StrCat("file ", i, "\n"));
    ASSERT_TRUE(Eventually([&] { return HasOpen(agent.front_pid(), path); }))
        << "nobody saw rotation " << i;
    Append(path, "and its end\n");
    absl::StrAppend(&expected, "<KIND_ROTATED>file ", i, "\nand its end\n");
  }
  for (int i = 1; i <= 3; ++i) {
    std::filesystem::remove(absl::StrCat(path, ".", i));
  }
  reader.Resume();
  EXPECT_TRUE(Eventually(
      [&] { return absl::EndsWith(reader.text(), "file 3\nand its end\n"); }));
  EXPECT_TRUE(reader.text() == expected)
      << reader.text().size() << " of " << expected.size() << " bytes, with "
      << reader.text().substr(
             std::min(reader.text().size(), FirstFile().size()));
}

}  // namespace
}  // namespace specula::testing
