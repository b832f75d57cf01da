// Follower and watcher together, with the real clock and a writer that does not
// wait.

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/tail/watcher.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"
#include "tests/agent/tail/live.h"

namespace specula::agent {
namespace {

class LiveTailTest : public ::testing::Test {
 protected:
  // Follows until `ended` and `text_` is as long as `enough`.
  void Follow(LiveTail& tail, const std::atomic<bool>& ended, size_t enough) {
    const absl::Duration limit = MonotonicNow() + absl::Seconds(30);
    while (MonotonicNow() < limit && !(ended && text_.size() >= enough)) {
      const absl::Status status =
          LiveTurn(watcher_, tail, MonotonicNow() + absl::Milliseconds(100),
                   [this](TailItem item) {
                     if (item.kind == TailItem::Kind::kData) {
                       text_ += item.data;
                     } else {
                       events_.push_back(ToString(item));
                     }
                   });
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  static TailOptions Options(const std::string& path) {
    TailOptions options{.path = path, .follow = true};
    options.limits.quiet = absl::Milliseconds(300);
    return options;
  }

  Sandbox box_;
  Watcher watcher_;
  std::string text_;
  std::vector<std::string> events_;
};

TEST_F(LiveTailTest, BusyLogWithRotationLosesNothing) {
  constexpr int kRotations = 30;
  constexpr size_t kBytes = (kRotations * 210 + 1) * 7;
  box_.Append("log", "");
  LiveTail tail(watcher_, Options(box_.Path("log")));
  ASSERT_TRUE(tail.Pump([](TailItem) {}).ok());
  std::string written;
  std::atomic<bool> ended = false;
  std::thread writer([&] {
    int line = 100'000;
    UniqueFd old;
    UniqueFd log = box_.Writer("log");
    auto put = [&](int fd) {
      const std::string text = std::to_string(++line) + "\n";
      EXPECT_EQ(write(fd, text.data(), text.size()),
                static_cast<ssize_t>(text.size()));
      written += text;
    };
    for (int rotation = 0; rotation < kRotations; ++rotation) {
      for (int i = 0; i < 200; ++i) put(log.get());
      absl::SleepFor(absl::Milliseconds(rotation % 3 * 20));
      // As logrotate does it, and the daemon goes on with the old file for a
      // while.
      for (int i = 8; i > 0; --i) {
        const std::string from = "log." + std::to_string(i);
        if (std::filesystem::exists(box_.Path(from))) {
          box_.Rename(from, "log." + std::to_string(i + 1));
        }
      }
      box_.Rename("log", "log.1");
      UniqueFd next = box_.Writer("log");
      for (int i = 0; i < 10; ++i) put(log.get());
      log = std::move(next);
    }
    put(log.get());
    ended = true;
  });
  Follow(tail, ended, kBytes);
  writer.join();
  ASSERT_EQ(written.size(), kBytes);
  EXPECT_TRUE(text_ == written)
      << text_.size() << " of " << written.size() << " bytes, or in disorder";
  EXPECT_EQ(events_, std::vector<std::string>(kRotations, "<ROTATED>"));
}

TEST_F(LiveTailTest, AppendIsThereWithinMilliseconds) {
  box_.Append("log", "");
  LiveTail tail(watcher_, Options(box_.Path("log")));
  ASSERT_TRUE(tail.Pump([](TailItem) {}).ok());
  EXPECT_GT(tail.wake_time() - MonotonicNow(), absl::Seconds(5));
  std::vector<absl::Duration> took;
  std::atomic<bool> ended = true;
  for (int i = 0; i < 50; ++i) {
    text_.clear();
    absl::Duration written;
    std::thread writer([&] {
      absl::SleepFor(absl::Milliseconds(2));
      written = MonotonicNow();
      box_.Append("log", "x");
    });
    Follow(tail, ended, 1);
    const absl::Duration read = MonotonicNow();
    writer.join();
    EXPECT_EQ(text_, "x");
    took.push_back(read - written);
  }
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[25], absl::Milliseconds(20));
}

TEST_F(LiveTailTest, WithoutEventsItIsThereWithinAPoll) {
  box_.Append("log", "");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Watcher watcher;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  LiveTail tail(watcher, Options(box_.Path("log")));
  ASSERT_TRUE(tail.Pump([](TailItem) {}).ok());
  box_.Append("log", "x");
  const absl::Duration begin = MonotonicNow();
  while (text_.empty() && MonotonicNow() - begin < absl::Seconds(5)) {
    ASSERT_TRUE(LiveTurn(watcher, tail, begin + absl::Seconds(5),
                         [this](TailItem item) { text_ += item.data; })
                    .ok());
  }
  EXPECT_EQ(text_, "x");
  EXPECT_LT(MonotonicNow() - begin, absl::Seconds(2));
}

}  // namespace
}  // namespace specula::agent
