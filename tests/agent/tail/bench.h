#ifndef SPECULA_TESTS_AGENT_TAIL_BENCH_H_
#define SPECULA_TESTS_AGENT_TAIL_BENCH_H_

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/tail/follower.h"
#include "gtest/gtest.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A directory of its own, removed at the end. Names are relative to it.
class Sandbox {
 public:
  Sandbox() {
    std::string name = testing::TempDir() + "tail_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~Sandbox() { std::filesystem::remove_all(root_); }
  Sandbox(const Sandbox&) = delete;

  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  void Append(const std::string& name, const std::string& data) {
    Put(name, data, O_APPEND);
  }
  void Write(const std::string& name, const std::string& data) {
    Put(name, data, O_TRUNC);
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(Path(from).c_str(), Path(to).c_str()), 0) << from;
  }
  void Remove(const std::string& name) {
    ASSERT_EQ(unlink(Path(name).c_str()), 0) << name;
  }
  void Truncate(const std::string& name, off_t size = 0) {
    ASSERT_EQ(truncate(Path(name).c_str(), size), 0) << name;
  }
  // Makes or replaces a link in one step.
  void Link(const std::string& target, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), Path(name + ".new").c_str()), 0) << name;
    Rename(name + ".new", name);
  }
  void Directory(const std::string& name) {
    std::filesystem::create_directories(Path(name));
  }
  UniqueFd Writer(const std::string& name) {
    return UniqueFd(open(Path(name).c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }

 private:
  void Put(const std::string& name, const std::string& data, int flags) {
    UniqueFd fd(
        open(Path(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
    ASSERT_TRUE(fd.valid()) << name;
    ASSERT_EQ(write(fd.get(), data.data(), data.size()),
              static_cast<ssize_t>(data.size()));
  }

  std::string root_;
};

inline std::string ToString(const TailItem& item) {
  switch (item.kind) {
    case TailItem::Kind::kData:
      return item.data;
    case TailItem::Kind::kRotated:
      return "<ROTATED>";
    case TailItem::Kind::kTruncated:
      return "<TRUNCATED>";
    case TailItem::Kind::kMissing:
      return "<MISSING>";
    case TailItem::Kind::kAppeared:
      return "<APPEARED>";
    case TailItem::Kind::kSkipped:
      return "<SKIPPED " + std::to_string(item.skipped_bytes) + ">";
    case TailItem::Kind::kLinesCut:
      return "<LINES CUT>";
  }
  return "<?>";
}

// Drives a follower with a clock that only moves when told to.
class Bench {
 public:
  explicit Bench(TailOptions options, Opener* opener = nullptr)
      : opener_(opener == nullptr ? &plain_ : opener) {
    auto follower = Follower::Create(std::move(options));
    EXPECT_TRUE(follower.ok()) << follower.status();
    follower_ = *std::move(follower);
  }

  Follower& follower() { return *follower_; }
  absl::Duration now() const { return now_; }
  const absl::Status& status() const { return status_; }
  bool done() const { return done_; }
  absl::Duration wake_time() const { return wake_time_; }
  // All that came, and forgets it.
  std::vector<TailItem> TakeItems() { return std::exchange(items_, {}); }
  // The same as text; events are words in <>.
  std::string TakeText() {
    std::string text;
    for (const TailItem& item : TakeItems()) text += ToString(item);
    return text;
  }

  // One step. False once it ended, in whatever way.
  bool Step(size_t room_bytes = 1 << 20) {
    if (done_ || !status_.ok()) return false;
    auto progress = StepWith(*follower_, *opener_, now_, room_bytes);
    if (!progress.ok()) {
      status_ = progress.status();
      return false;
    }
    wake_time_ = progress->wake_time;
    done_ = progress->done;
    EXPECT_FALSE(progress->open.has_value());
    if (progress->item.has_value()) {
      EXPECT_GT(room_bytes, 0u);
      items_.push_back(*std::move(progress->item));
    }
    return !done_;
  }

  // Steps as long as there is something to do at this moment.
  void Run(size_t room_bytes = 1 << 20) {
    int idle_steps = 0;
    while (Step(room_bytes) && wake_time_ <= now_) {
      const bool came = items_.size() != items_seen_;
      items_seen_ = items_.size();
      idle_steps = came ? 0 : idle_steps + 1;
      ASSERT_LT(idle_steps, 100) << "the follower never rests";
    }
  }

  // What the owner does when the watcher says that the name changed.
  void Look() {
    follower_->NameMayHaveChanged();
    Run();
  }

  // Lets time pass, with a step whenever one was asked for.
  void Pass(absl::Duration time, size_t room_bytes = 1 << 20) {
    const absl::Duration end = now_ + time;
    Run(room_bytes);
    while (!done_ && status_.ok() && wake_time_ <= end &&
           !testing::Test::HasFatalFailure()) {
      now_ = std::max(now_, wake_time_);
      Run(room_bytes);
    }
    now_ = end;
  }

 private:
  PlainOpener plain_;
  Opener* opener_;
  std::unique_ptr<Follower> follower_;
  absl::Duration now_ = absl::Seconds(1000);
  absl::Duration wake_time_ = absl::ZeroDuration();
  absl::Status status_;
  bool done_ = false;
  std::vector<TailItem> items_;
  size_t items_seen_ = 0;
};

}  // namespace specula::agent

#endif  // SPECULA_TESTS_AGENT_TAIL_BENCH_H_
