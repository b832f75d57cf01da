// The front as the broker's child: dropped, started again, and ended in order.

#include "agent/broker/front_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "agent/broker/proc_stat.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

TEST(BackoffTest, DoublesAndBeginsAnewAfterAMinute) {
  Backoff backoff;
  EXPECT_EQ(backoff.Next(absl::ZeroDuration()), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Next(absl::ZeroDuration()), absl::Milliseconds(200));
  for (int i = 0; i < 4; ++i) backoff.Next(absl::Seconds(59));
  EXPECT_EQ(backoff.Next(absl::Seconds(59)), absl::Seconds(6.4));
  EXPECT_EQ(backoff.Next(absl::ZeroDuration()), absl::Seconds(10));
  EXPECT_EQ(backoff.Next(absl::ZeroDuration()), absl::Seconds(10));
  EXPECT_EQ(backoff.Next(absl::Seconds(60)), absl::Milliseconds(100));
}

class FrontProcessTest : public BrokerTest {
 protected:
  void RunBroker(const RunFront& front) {
    broker_pid_ = fork();
    if (broker_pid_ != 0) return;
    auto broker = Broker::Create(options_);
    _exit(broker.ok() && (*broker)->Run(front).ok() ? 0 : 1);
  }

  // Writes a line for each front that begins.
  void Sign(const std::string& more = "") const {
    const UniqueFd fd(
        open(Path("fronts").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0666));
    const std::string line = absl::StrCat(getpid(), more, "\n");
    static_cast<void>(write(fd.get(), line.data(), line.size()));
  }

  std::vector<std::string> Fronts() const {
    std::vector<std::string> lines;
    std::string text = ReadFile(Path("fronts")).value_or("");
    for (size_t end; (end = text.find('\n')) != std::string::npos;
         text.erase(0, end + 1)) {
      lines.push_back(text.substr(0, end));
    }
    return lines;
  }

  // The broker's exit status, or -1 if it does not end.
  int AwaitBroker(absl::Duration limit) {
    int status = -1;
    WaitFor(
        [&] { return waitpid(broker_pid_, &status, WNOHANG) == broker_pid_; },
        limit);
    return status;
  }
};

TEST_F(FrontProcessTest, IsStartedAgainWithGrowingPauses) {
  RunBroker([this](UniqueFd) {
    Sign();
    return 1;
  });
  // 0.1 + 0.2 + 0.4 s: the fourth begins after 0.7 s and the fifth after 1.5 s.
  EXPECT_TRUE(
      WaitFor([&] { return Fronts().size() >= 4; }, absl::Seconds(1.3)));
  WaitFor([] { return false; }, absl::Milliseconds(300));
  EXPECT_LE(Fronts().size(), 5u);
  EXPECT_EQ(ZombiesOf(broker_pid_), 0);
  kill(broker_pid_, SIGTERM);
  EXPECT_EQ(AwaitBroker(absl::Seconds(2)), 0);
}

TEST_F(FrontProcessTest, KilledFrontIsBackWithinTwoSeconds) {
  RunBroker([this](UniqueFd) {
    Sign();
    while (true) pause();
    return 0;
  });
  ASSERT_TRUE(WaitFor([&] { return Fronts().size() == 1; }, absl::Seconds(2)));
  kill(std::stoi(Fronts()[0]), SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return Fronts().size() == 2; }, absl::Seconds(2)));
  kill(broker_pid_, SIGTERM);
  EXPECT_EQ(AwaitBroker(absl::Seconds(2)), 0);
}

TEST_F(FrontProcessTest, FrontThatSpeaksNonsenseIsReplaced) {
  RunBroker([this](UniqueFd channel) {
    Sign();
    if (Fronts().size() == 1) send(channel.get(), "nonsense", 8, 0);
    while (true) pause();
    return 0;
  });
  EXPECT_TRUE(WaitFor([&] { return Fronts().size() == 2; }, absl::Seconds(2)));
  kill(broker_pid_, SIGTERM);
  EXPECT_EQ(AwaitBroker(absl::Seconds(2)), 0);
}

TEST_F(FrontProcessTest, FrontIsAskedToEndAndThenMade) {
  options_.front_grace = absl::Milliseconds(300);
  RunBroker([this](UniqueFd) {
    signal(SIGTERM, SIG_IGN);
    Sign();
    while (true) pause();
    return 0;
  });
  ASSERT_TRUE(WaitFor([&] { return Fronts().size() == 1; }, absl::Seconds(2)));
  const absl::Duration begin = MonotonicNow();
  kill(broker_pid_, SIGTERM);
  EXPECT_EQ(AwaitBroker(absl::Seconds(3)), 0);
  EXPECT_GE(MonotonicNow() - begin, absl::Milliseconds(290));
}

TEST_F(FrontProcessTest, TerminalThatGoesAwayEndsItInOrder) {
  RunBroker([this](UniqueFd) {
    signal(SIGTERM, [](int) { _exit(0); });
    Sign();
    while (true) pause();
    return 0;
  });
  ASSERT_TRUE(WaitFor([&] { return Fronts().size() == 1; }, absl::Seconds(2)));
  kill(broker_pid_, SIGHUP);
  // By itself, with its code: HUP's own action would be a death by signal.
  EXPECT_EQ(AwaitBroker(absl::Seconds(2)), 0);
  EXPECT_EQ(Fronts().size(), 1u);
}

TEST_F(FrontProcessTest, FrontDiesWithTheBroker) {
  RunBroker([this](UniqueFd) {
    Sign();
    while (true) pause();
    return 0;
  });
  ASSERT_TRUE(WaitFor([&] { return Fronts().size() == 1; }, absl::Seconds(2)));
  const int front = std::stoi(Fronts()[0]);
  KillBroker();
  EXPECT_TRUE(WaitFor(
      [&] {
        const auto stat = ReadProcStat(front);
        return !stat.ok() || stat->dead();
      },
      absl::Seconds(2)));
}

TEST_F(FrontProcessTest, FrontHasNoPowerAndNoDescriptorOfTheBrokers) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  options_.front_user = "daemon";
  chmod(directory_.c_str(), 0777);
  RunBroker([this](UniqueFd) {
    const std::string status = ReadFile("/proc/self/status").value_or("");
    const auto has = [&](const char* line) {
      return status.find(line) != std::string::npos;
    };
    int descriptors = 0;
    for (int fd = 0; fd < 1024; ++fd)
      descriptors += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    Sign(absl::StrCat(
        " uid=", getuid(), " back=", setuid(0) == 0 || seteuid(0) == 0,
        " caps=", !has("CapEff:\t0000000000000000"),
        " new_privileges=", !has("NoNewPrivs:\t1"),
        " blocked=", !has("SigBlk:\t0000000000000000"), " fds=", descriptors));
    while (true) pause();
    return 0;
  });
  ASSERT_TRUE(WaitFor([&] { return Fronts().size() == 1; }, absl::Seconds(2)));
  const std::string line = Fronts()[0];
  EXPECT_EQ(line.substr(line.find(' ')),
            " uid=1 back=0 caps=0 new_privileges=0 blocked=0 fds=4");
  kill(broker_pid_, SIGTERM);
  EXPECT_EQ(AwaitBroker(absl::Seconds(2)), 0);
}

}  // namespace
}  // namespace specula::agent
