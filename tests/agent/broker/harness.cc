#include "tests/agent/broker/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/session_tree.h"
#include "agent/broker/started_store.h"
#include "lib/base/clock.h"

namespace specula::agent {
namespace {

// False at the end of the stream.
bool Drain(int fd, std::string& text) {
  char chunk[65536];
  while (true) {
    const ssize_t got = read(fd, chunk, sizeof chunk);
    if (got > 0) {
      text.append(chunk, static_cast<size_t>(got));
    } else if (got < 0 && errno == EAGAIN) {
      return true;
    } else if (got == 0 || errno != EINTR) {
      return false;
    }
  }
}

// Whoever descends from this process was started by it.
void KillDescendants() {
  for (int round = 0; round < 100; ++round) {
    bool any = false;
    for (const ProcStat& stat : FindDescendants(getpid(), ReadAllProcStats())) {
      if (stat.pid == getpid()) continue;
      any = true;
      SignalSeen(stat, SIGKILL);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (!any) return;
    absl::SleepFor(absl::Milliseconds(10));
  }
}

}  // namespace

broker::Spawn Shell(absl::string_view line) {
  broker::Spawn command;
  command.set_caller("tester");
  command.set_shell(std::string(line));
  return command;
}

broker::Spawn Argv(const std::vector<std::string>& arguments) {
  broker::Spawn command;
  command.set_caller("tester");
  command.mutable_argv();
  for (const std::string& argument : arguments)
    command.mutable_argv()->add_arguments(argument);
  return command;
}

HoldUp::HoldUp(const std::string& path) : path_(path) {
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
}

void BrokerTest::SetUp() {
  // What loses its broker comes to us and not to init.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  char name[] = "/tmp/specula-broker-test.XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  directory_ = name;
  chmod(name, 0755);
  options_.jobs.state_directory = Path("state");
}

void BrokerTest::TearDown() {
  if (client_) CloseFront();
  KillDescendants();
  // What a killed broker left of its groups is empty now.
  if (auto store = StartedStore::Open(Path("state"), 0, nullptr); store.ok()) {
    if (auto pool = CgroupPool::Create((*store)->owner()); pool.ok())
      (*pool)->Sweep({});
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void BrokerTest::Launch() {
  auto ends = Channel::Pair();
  ASSERT_TRUE(ends.ok());
  broker_pid_ = fork();
  ASSERT_GE(broker_pid_, 0);
  if (broker_pid_ == 0) {
    ends->second.Reset();
    client_.reset();
    auto broker = Broker::Create(options_);
    if (!broker.ok()) {
      fprintf(stderr, "broker: %s\n", broker.status().ToString().c_str());
      _exit(1);
    }
    (*broker)->Serve(std::move(ends->first));
    broker->reset();
    _exit(0);
  }
  ends->first.Reset();
  lost_ = false;
  client_ = std::make_unique<BrokerClient>(
      std::move(ends->second), [this](absl::Status) { lost_ = true; });
}

void BrokerTest::CloseFront() {
  client_.reset();
  int status = 0;
  const bool ended = WaitFor(
      [&] { return waitpid(broker_pid_, &status, WNOHANG) == broker_pid_; },
      absl::Seconds(15));
  EXPECT_TRUE(ended) << "the broker does not end";
  EXPECT_EQ(ended ? status : 0, 0) << "the broker has crashed";
  if (!ended) KillBroker();
}

void BrokerTest::KillBroker() {
  client_.reset();
  kill(broker_pid_, SIGKILL);
  waitpid(broker_pid_, nullptr, 0);
}

bool BrokerTest::Serve(const std::function<bool()>& done,
                       absl::Duration limit) {
  const absl::Duration end = MonotonicNow() + limit;
  while (!done()) {
    if (lost_ || MonotonicNow() > end) return false;
    pollfd poller = {
        client_->fd(),
        static_cast<short>(client_->wants_write() ? POLLIN | POLLOUT : POLLIN),
        0};
    poll(&poller, 1, 5);
    if ((poller.revents & POLLOUT) != 0) client_->OnWritable();
    if ((poller.revents & ~POLLOUT) != 0) client_->OnReadable();
  }
  return true;
}

std::shared_ptr<ExecResult> BrokerTest::Begin(const broker::Spawn& command,
                                              absl::string_view input) {
  auto result = std::make_shared<ExecResult>();
  result->status = absl::UnknownError("not answered");
  client_->Spawn(
      command, input,
      [result](absl::StatusOr<BrokerClient::Spawned> spawned) {
        result->status = spawned.status();
        if (!spawned.ok()) return;
        result->spawned = *std::move(spawned);
        result->out_open = result->spawned.out.valid();
        result->error_open = result->spawned.error.valid();
      },
      {[result](const broker::Exited& exited) { result->exited = exited; },
       [result](const broker::Gone& gone) { result->gone = gone; }});
  return result;
}

void BrokerTest::ReadPipes(ExecResult& result) {
  if (result.out_open)
    result.out_open = Drain(result.spawned.out.get(), result.out);
  if (result.error_open)
    result.error_open = Drain(result.spawned.error.get(), result.error);
}

ExecResult BrokerTest::Exec(const broker::Spawn& command,
                            absl::string_view input) {
  const absl::Duration begin = MonotonicNow();
  auto result = Begin(command, input);
  bool finished = false;
  const bool done = Serve([&] {
    if (!result->status.ok()) return !absl::IsUnknown(result->status);
    ReadPipes(*result);
    const bool read = !result->out_open && !result->error_open;
    if (read && result->exited && !result->gone && !finished) {
      finished = true;
      client_->Finish(result->spawned.facts.job());
    }
    return read && result->exited && result->gone;
  });
  EXPECT_TRUE(done) << "the Exec does not end";
  result->wall = MonotonicNow() - begin;
  return std::move(*result);
}

absl::StatusOr<BrokerClient::Spawned> BrokerTest::Start(
    const broker::Spawn& command) {
  broker::Spawn start = command;
  start.set_start(true);
  std::optional<absl::StatusOr<BrokerClient::Spawned>> answer;
  client_->Spawn(start, "",
                 [&](absl::StatusOr<BrokerClient::Spawned> spawned) {
                   answer = std::move(spawned);
                 },
                 {});
  EXPECT_TRUE(Serve([&] { return answer.has_value(); }));
  if (!answer) return absl::InternalError("no answer");
  return *std::move(answer);
}

absl::StatusOr<int> BrokerTest::Kill(int64_t pid,
                                     std::optional<int64_t> start_ticks,
                                     int signal, bool tree) {
  broker::Kill order;
  order.set_pid(pid);
  if (start_ticks) order.set_start_ticks(*start_ticks);
  order.set_signal(signal);
  order.set_tree(tree);
  std::optional<absl::StatusOr<int>> answer;
  client_->Kill(order, [&](absl::StatusOr<int> count) { answer = count; });
  EXPECT_TRUE(Serve([&] { return answer.has_value(); }));
  return answer.value_or(absl::InternalError("no answer"));
}

broker::StartedJobs BrokerTest::ListStarted() {
  std::optional<absl::StatusOr<broker::StartedJobs>> answer;
  client_->ListStarted([&](auto jobs) { answer = std::move(jobs); });
  EXPECT_TRUE(Serve([&] { return answer.has_value(); }));
  return answer && answer->ok() ? **answer : broker::StartedJobs();
}

broker::Description BrokerTest::Describe() {
  std::optional<absl::StatusOr<broker::Description>> answer;
  client_->Describe([&](auto description) { answer = std::move(description); });
  EXPECT_TRUE(Serve([&] { return answer.has_value(); }));
  return answer && answer->ok() ? **answer : broker::Description();
}

absl::Status BrokerTest::EndTree(uint64_t job, absl::Duration grace) {
  broker::EndTree order;
  order.set_job(job);
  order.set_grace_milliseconds(absl::ToInt64Milliseconds(grace));
  std::optional<absl::Status> answer;
  client_->EndTree(order, [&](absl::Status status) { answer = status; });
  EXPECT_TRUE(Serve([&] { return answer.has_value(); }));
  return answer.value_or(absl::InternalError("no answer"));
}

std::vector<pid_t> LivingWith(const std::string& name,
                              const std::string& value) {
  std::vector<pid_t> living;
  for (const ProcStat& stat : ReadAllProcStats()) {
    if (!stat.dead() && !stat.kernel_thread &&
        ReadEnvironmentOf(stat.pid, name) == value) {
      living.push_back(static_cast<pid_t>(stat.pid));
    }
  }
  return living;
}

int ZombiesOf(pid_t parent) {
  int count = 0;
  for (const ProcStat& stat : ReadAllProcStats()) {
    count += stat.parent == parent && stat.dead() ? 1 : 0;
  }
  return count;
}

int OpenDescriptorsOf(pid_t pid) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"), ignored)) {
    const std::string target =
        std::filesystem::read_symlink(entry.path(), ignored);
    count += absl::StrContains(target, "/specula.") ? 0 : 1;
  }
  return count;
}

bool WaitFor(const std::function<bool()>& done, absl::Duration limit) {
  const absl::Duration end = MonotonicNow() + limit;
  while (!done()) {
    if (MonotonicNow() > end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

void WriteFile(const std::string& path, const std::string& content, int mode) {
  std::ofstream(path) << content;
  chmod(path.c_str(), static_cast<mode_t>(mode));
}

}  // namespace specula::agent
